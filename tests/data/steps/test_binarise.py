from __future__ import annotations

import numpy as np

from factorgraph.data.steps.binarise import Binarise


def test_above_the_threshold_is_one_and_the_rest_nought():
    x = np.asarray([[0.2, 0.37, 0.9], [0.371, -4.0, 0.37]])
    step = Binarise(threshold=0.37)
    assert step.apply(x, step.fit(x)).tolist() == [[0, 0, 1], [1, 0, 0]]
    assert step.apply(x.astype(np.float32), {}).dtype == np.float32


def test_undone_it_has_the_least_squared_error_that_two_values_can_have():
    x = np.random.default_rng(0).random((5000, 4, 3)) ** 2
    step = Binarise(threshold=0.37)
    state = step.fit(x)
    bits = step.apply(x, state)
    design = np.stack([1 - bits.ravel(), bits.ravel()], axis=1)
    low, high = np.linalg.lstsq(design, x.ravel(), rcond=None)[0]
    assert np.allclose(step.undo(bits, state, {}), low + (high - low) * bits)
    assert np.allclose(step.undo_linear(bits, state), (high - low) * bits)


def test_where_all_are_on_one_side_the_other_is_the_threshold():
    step = Binarise()
    assert np.allclose(step.fit(np.full((3, 2), 0.8))["means"], [0.5, 0.8])
    assert np.allclose(step.fit(np.full((3, 2), 0.25))["means"], [0.25, 0.5])
