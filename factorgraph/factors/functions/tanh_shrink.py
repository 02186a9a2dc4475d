"""What the hyperbolic tangent leaves over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from factorgraph.factors.functions._unitwise import UnitByUnit
from factorgraph.lazy import torch
from factorgraph.structure import Cornerless, Parameters

if TYPE_CHECKING:
    from torch import Tensor


class TanhShrink(UnitByUnit, Cornerless):
    r"""Flattens what is small and moves the rest towards zero by nearly 1: a shrinkage without a corner and without parameters.

    .. math:: f(x)_i = x_i - \tanh x_i

    Promises: differentiable.
    Shapes:   x (batch, *shape) -> (batch, *shape), unit by unit.
    Source:   Kavukcuoglu, Ranzato & LeCun, arXiv:1010.3467, an encoder of the code published with it.
    """

    type: Literal["tanh_shrink"] = "tanh_shrink"

    def forward(self, x: Tensor, parameters: Parameters) -> Tensor:
        return x - torch.tanh(x)
