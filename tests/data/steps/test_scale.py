from __future__ import annotations

import numpy as np
import pytest

from factorgraph.data.steps.scale import Scale
from factorgraph.errors import DataError


def test_the_range_of_training_becomes_the_wanted_one_and_tests_are_not_cut():
    x = np.asarray([[3.0, 7.0], [5.0, 11.0]])
    step = Scale(to=(-0.8, 0.8))
    state = step.fit(x)
    assert np.allclose(step.apply(x, state), [[-0.8, 0.0], [-0.4, 0.8]])
    assert np.allclose(step.apply(np.asarray([[15.0]]), state), 1.6)


def test_no_range():
    with pytest.raises(DataError, match="FG517"):
        Scale().fit(np.full((3, 2), 0.37))
    with pytest.raises(ValueError, match="below"):
        Scale(to=(1, 1))
