"""Smooth rectification."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from factorgraph.factors.functions._unitwise import UnitByUnit
from factorgraph.lazy import torch
from factorgraph.structure import Cornerless, Parameters

if TYPE_CHECKING:
    from torch import Tensor

ITSELF = 50.0  # above it log(1 + e^x) is x in double precision; all derivatives are finite, as those of logaddexp are not


class Softplus(UnitByUnit, Cornerless):
    r"""Passes what is positive and fades out the rest, without a corner between them.

    .. math:: f(x)_i = \log(1 + e^{x_i})

    Promises: differentiable.
    Shapes:   x (batch, *shape) -> (batch, *shape), unit by unit.
    Source:   Dugas, Bengio, Belisle, Nadeau & Garcia, NIPS 2000.
    """

    type: Literal["softplus"] = "softplus"

    def domain(self) -> str:
        return "nonnegative"

    def forward(self, x: Tensor, parameters: Parameters) -> Tensor:
        return torch.nn.functional.softplus(x, threshold=ITSELF)
