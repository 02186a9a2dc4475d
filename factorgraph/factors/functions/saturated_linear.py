"""The identity between two walls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from factorgraph.factors.functions._unitwise import UnitByUnit
from factorgraph.structure import Parameters, Saturating

if TYPE_CHECKING:
    from torch import Tensor


class SaturatedLinear(UnitByUnit, Saturating):
    r"""Passes what lies between -1 and 1 and is flat beyond, where a unit no longer answers to its input.

    .. math:: f(x)_i = \min(\max(x_i, -1), 1)

    Promises: differentiable but at -1 and 1, where the slope is taken as 1.
    Shapes:   x (batch, *shape) -> (batch, *shape), unit by unit.
    Source:   Goroshin & LeCun, arXiv:1301.3577, the saturated linear unit.
    """

    type: Literal["saturated_linear"] = "saturated_linear"

    def is_limited(self) -> bool:
        return True

    def forward(self, x: Tensor, parameters: Parameters) -> Tensor:
        return x.clamp(-1, 1)

    def to_flat(self, x: Tensor, parameters: Parameters) -> Tensor:
        return (1 - x.abs()).clamp_min(0)
