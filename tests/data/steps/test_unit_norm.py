from __future__ import annotations

import numpy as np

from factorgraph.data.steps.unit_norm import UnitNorm


def test_each_sample_has_length_one_and_nothing_stays_nothing():
    x = np.random.default_rng(0).standard_normal((6, 7, 3)) + 2
    x[4] = 0.0
    step = UnitNorm()
    length = np.linalg.norm(step.apply(x, step.fit(x)).reshape(6, -1), axis=1)
    assert np.allclose(length, [1, 1, 1, 1, 0, 1])
