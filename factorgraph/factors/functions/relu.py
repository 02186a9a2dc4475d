"""Rectification."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from factorgraph.factors.functions._unitwise import UnitByUnit
from factorgraph.lazy import torch
from factorgraph.structure import Parameters, Saturating

if TYPE_CHECKING:
    from torch import Tensor


class Relu(UnitByUnit, Saturating):
    r"""Passes what is positive and silences the rest.

    .. math:: f(x)_i = \max(x_i, 0)

    Promises: differentiable but at 0, where the gradient is taken as 0; flat below.
    Shapes:   x (batch, *shape) -> (batch, *shape), unit by unit.
    Source:   Nair & Hinton, ICML 2010, section 2.
    """

    type: Literal["relu"] = "relu"

    def domain(self) -> str:
        return "nonnegative"

    def forward(self, x: Tensor, parameters: Parameters) -> Tensor:
        return torch.relu(x)

    def to_flat(self, x: Tensor, parameters: Parameters) -> Tensor:
        return torch.relu(x)
