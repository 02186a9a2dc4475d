"""A smooth stand-in for the magnitude."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from factorgraph.factors._sums import per_example
from factorgraph.lazy import torch
from factorgraph.spec.expressions import Expression
from factorgraph.structure import Factor, Glyph, Parameters, Smooth

if TYPE_CHECKING:
    from torch import Tensor

ITSELF = 50.0  # above it log(1 + e^x) is x in double precision; all derivatives are finite, as those of logaddexp are not


class LogCosh(Factor, Smooth):
    r"""Pays for active units: by the square while they are small, by their magnitude when they are large.

    .. math:: E(z) = \sum_i \log \cosh z_i

    Promises: smooth and convex; the curvature is at most 1.
    Shapes:   z (batch, *shape) -> energy (batch,), summed over *shape*.
    Units:    that of z must be 1.
    Source:   Hyvarinen & Oja, Neural Networks 13, 2000, equation 14.
    """

    type: Literal["log_cosh"] = "log_cosh"
    of: Expression = Field(description="the value whose units are to be small")

    convex: ClassVar[bool] = True
    glyph: ClassVar[Glyph] = Glyph(label="log cosh", formula="log cosh {0}")

    def energy(self, *arguments: Tensor) -> Tensor:
        (z,) = arguments
        sum_of_both = torch.nn.functional.softplus(2 * z, threshold=ITSELF) - z  # smooth at 0, where a magnitude is not
        return per_example(sum_of_both - math.log(2))

    def curvature(self, parameters: Parameters) -> float:
        return 1.0
