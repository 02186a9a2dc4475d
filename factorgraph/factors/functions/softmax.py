"""Shares of one whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from factorgraph.factors.functions._unitwise import SameShape
from factorgraph.lazy import torch
from factorgraph.structure import Cornerless, Parameters

if TYPE_CHECKING:
    from torch import Tensor


class Softmax(SameShape, Cornerless):
    r"""Lets all units of a sample compete for one whole: the results are positive and add up to 1.

    .. math:: f(x)_i = \frac{e^{x_i}}{\sum_j e^{x_j}}, \qquad j \text{ over all units, whatever their shape}

    Promises: differentiable.
    Shapes:   x (batch, *shape) -> (batch, *shape).
    Source:   Bridle, Neurocomputing (NATO ASI F68), 1990, pages 227-236.
    """

    type: Literal["softmax"] = "softmax"

    def domain(self) -> str:
        return "simplex"

    def is_limited(self) -> bool:
        return True

    def forward(self, x: Tensor, parameters: Parameters) -> Tensor:
        return torch.softmax(x.flatten(1), 1).reshape(x.shape)
