from __future__ import annotations

import numpy as np

from factorgraph.data.steps.remove_mean import RemoveMean


def test_each_sample_loses_its_own_mean_and_a_constant_one_everything():
    x = np.random.default_rng(0).standard_normal((6, 7, 3)) + 2
    x[1] = 0.1  # its mean is not 0.1 to the last bit
    found = RemoveMean().apply(x, {})
    assert np.allclose(found, x - x.mean(axis=(1, 2), keepdims=True)) and (found[1] == 0).all()
