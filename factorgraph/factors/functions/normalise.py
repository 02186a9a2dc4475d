"""The direction of a vector."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from factorgraph.factors.functions._unitwise import SameShape
from factorgraph.lazy import torch
from factorgraph.spec.constants import Positive
from factorgraph.structure import Cornerless, Parameters

if TYPE_CHECKING:
    from torch import Tensor


class Normalise(SameShape, Cornerless):
    r"""Keeps a sample's direction and forgets its length: the norm over all its units becomes 1.

    .. math:: f(x) = \frac{x}{\sqrt{\epsilon + \sum_i x_i^2}}

    What is much shorter than the root of epsilon fades out, so that zeros stay zeros with a finite gradient.

    Promises: differentiable everywhere.
    Shapes:   x (batch, *shape) -> (batch, *shape).
    Source:   an elementary function.
    """

    type: Literal["normalise"] = "normalise"
    epsilon: Positive = Field(default=1e-8, description="added to the squared norm")

    def forward(self, x: Tensor, parameters: Parameters) -> Tensor:
        flat = x.flatten(1)
        unit = flat.detach().abs().amax(1, keepdim=True).clamp_min(1)  # squares of large numbers must not overflow
        scaled = flat / unit
        norm = torch.sqrt(self.epsilon / unit**2 + scaled.square().sum(1, keepdim=True))
        return (scaled / norm).reshape(x.shape)
