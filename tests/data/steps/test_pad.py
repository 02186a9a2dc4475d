from __future__ import annotations

import numpy as np
import pytest

from factorgraph.data.preparation import check_binding
from factorgraph.data.steps.pad import Pad
from factorgraph.structure import ShapeError


@pytest.mark.parametrize(("shape", "size"), [((4, 3, 5), 8), ((5, 5), 5), ((3, 4, 4), 9), ((28, 28), 32)])
def test_the_picture_is_in_the_middle_of_nothing(shape, size):
    x = np.random.default_rng(0).standard_normal((2, *shape)) + 3
    step = Pad(size=size)
    state = step.fit(x)
    found = step.apply(x, state)
    before = [(size - side) // 2 for side in shape[-2:]]
    margins = [(0, 0)] * (x.ndim - 2) + [(b, size - side - b) for b, side in zip(before, shape[-2:], strict=True)]
    assert (found == np.pad(x, margins)).all() and found.shape[1:] == step.output_shape(shape)
    assert (step.undo(found, state, {}) == x).all()


def test_what_does_not_fit_is_told_before_anything_is_read():
    for shape in ((28,), (28, 33), (3, 33, 28)):
        with pytest.raises(ShapeError, match="32 x 32"):
            Pad(size=32).output_shape(shape)
    (found,) = check_binding({"X": "image"}, [Pad(size=16)], {"X": (16, 16)}, {"image": (28, 28)})
    assert found.code == "FG505" and "28, 28" in found.message
    assert check_binding({"X": "image"}, [Pad(size=32)], {"X": (32, 32)}, {"image": (28, 28)}) == []
