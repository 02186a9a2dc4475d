"""The magnitude."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from factorgraph.factors.functions._unitwise import UnitByUnit
from factorgraph.structure import Differentiable, Parameters

if TYPE_CHECKING:
    from torch import Tensor


class Abs(UnitByUnit, Differentiable):
    r"""Forgets the sign, so that a filter answers alike to an edge of either polarity.

    .. math:: f(x)_i = |x_i|

    Promises: differentiable but at 0, where the gradient is taken as 0.
    Shapes:   x (batch, *shape) -> (batch, *shape), unit by unit.
    Source:   Jarrett, Kavukcuoglu, Ranzato & LeCun, ICCV 2009, the rectification layer.
    """

    type: Literal["abs"] = "abs"

    def domain(self) -> str:
        return "nonnegative"

    def forward(self, x: Tensor, parameters: Parameters) -> Tensor:
        return x.abs()
