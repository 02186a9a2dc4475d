"""A value that is an energy."""

from __future__ import annotations

import pytest
import torch

from factorgraph.factors.value import Value
from factorgraph.structure import ShapeError

LEAF = Value(of="critic(Y)")


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_one_unit_of_any_shape_is_the_energy(shape):
    LEAF.check(shape)
    assert LEAF.energy(torch.tensor([0.5, -3.0]).reshape(2, *shape)).tolist() == [0.5, -3.0]


@pytest.mark.parametrize("shape", [(2,), (1, 3), (2, 1)])
def test_more_than_one_unit_is_refused(shape):
    with pytest.raises(ShapeError, match=r"one unit.* has \d"):
        LEAF.check(shape)
