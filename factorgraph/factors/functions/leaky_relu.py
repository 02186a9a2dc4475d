"""Rectification that lets a little through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from factorgraph.factors.functions._unitwise import UnitByUnit
from factorgraph.lazy import torch
from factorgraph.spec.constants import Share
from factorgraph.structure import Differentiable, Parameters

if TYPE_CHECKING:
    from torch import Tensor


class LeakyRelu(UnitByUnit, Differentiable):
    r"""Passes what is positive and a share of the rest, so that no unit falls silent for good.

    .. math:: f(x)_i = \max(x_i, 0) + a \min(x_i, 0)

    Promises: differentiable but at 0, where the slope is taken as a.
    Shapes:   x (batch, *shape) -> (batch, *shape), unit by unit.
    Source:   Maas, Hannun & Ng, ICML workshop 2013; a = 0.2 after Radford, Metz & Chintala, arXiv:1511.06434.
    """

    type: Literal["leaky_relu"] = "leaky_relu"
    slope: Share = Field(default=0.2, description="the share a of a negative value that passes")

    def forward(self, x: Tensor, parameters: Parameters) -> Tensor:
        return torch.nn.functional.leaky_relu(x, self.slope)
