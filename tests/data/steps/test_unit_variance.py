from __future__ import annotations

import numpy as np

from factorgraph.data.steps.unit_variance import UnitVariance


def test_each_sample_has_deviation_one_and_flat_ones_stay_flat():
    x = np.random.default_rng(0).standard_normal((6, 7, 3)) * 0.37
    x[2] = 0.0
    x[3] = 1e-12 * x[3]
    step = UnitVariance()
    state = step.fit(x)
    found = step.apply(x, state)
    assert np.allclose(found[[0, 1, 4, 5]].reshape(4, -1).std(axis=1), 1)
    assert (found[2] == 0).all() and np.abs(found[3]).max() < 1e-9  # rounding is not blown up to a pattern


def test_all_flat_is_no_division_by_zero():
    step = UnitVariance()
    assert (step.apply(np.zeros((4, 3)), step.fit(np.zeros((4, 3)))) == 0).all()
