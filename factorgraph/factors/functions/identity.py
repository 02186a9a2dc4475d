"""The map that changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from factorgraph.factors.functions._unitwise import UnitByUnit
from factorgraph.lazy import torch
from factorgraph.structure import Affine, Parameters, Shape

if TYPE_CHECKING:
    from torch import Tensor


class Identity(UnitByUnit, Affine):
    r"""Passes its argument on as it is.

    .. math:: f(x) = x

    Promises: affine, of norm 1.
    Shapes:   x (batch, *shape) -> (batch, *shape).
    Source:   an elementary function.
    """

    type: Literal["identity"] = "identity"

    def forward(self, x: Tensor, parameters: Parameters) -> Tensor:
        return x

    def transpose(self, y: Tensor, parameters: Parameters, given: Shape) -> Tensor:
        return y

    def norm_bound(self, parameters: Parameters, given: Shape) -> Tensor:
        return torch.tensor(1.0)
