"""The hyperbolic tangent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from factorgraph.factors.functions._unitwise import UnitByUnit
from factorgraph.lazy import torch
from factorgraph.structure import Cornerless, Parameters

if TYPE_CHECKING:
    from torch import Tensor


class Tanh(UnitByUnit, Cornerless):
    r"""Saturates smoothly at -1 and 1.

    .. math:: f(x)_i = \tanh x_i

    Promises: differentiable.
    Shapes:   x (batch, *shape) -> (batch, *shape), unit by unit.
    Source:   Kavukcuoglu, Ranzato & LeCun, arXiv:1010.3467, section 2, the encoder before its gain.
    """

    type: Literal["tanh"] = "tanh"

    def is_limited(self) -> bool:
        return True

    def forward(self, x: Tensor, parameters: Parameters) -> Tensor:
        return torch.tanh(x)
