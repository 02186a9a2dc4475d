"""The logistic function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from factorgraph.factors.functions._unitwise import UnitByUnit
from factorgraph.lazy import torch
from factorgraph.structure import Cornerless, Parameters

if TYPE_CHECKING:
    from torch import Tensor


class Sigmoid(UnitByUnit, Cornerless):
    r"""Turns a number into a probability: saturates smoothly at 0 and 1.

    .. math:: f(x)_i = \frac{1}{1 + e^{-x_i}}

    Promises: differentiable.
    Shapes:   x (batch, *shape) -> (batch, *shape), unit by unit.
    Source:   an elementary function; as the code of an auto-encoder, Rifai et al., ICML 2011.
    """

    type: Literal["sigmoid"] = "sigmoid"

    def domain(self) -> str:
        return "nonnegative"

    def is_limited(self) -> bool:
        return True

    def forward(self, x: Tensor, parameters: Parameters) -> Tensor:
        return torch.sigmoid(x)
