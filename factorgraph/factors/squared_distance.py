"""The squared Euclidean distance."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from factorgraph.factors._sums import per_example
from factorgraph.spec.expressions import Expression
from factorgraph.structure import Factor, Glyph, Parameters, Square

if TYPE_CHECKING:
    from torch import Tensor


class SquaredDistance(Factor, Square):
    r"""Pulls two values towards each other, by the square of how far they are apart.

    .. math:: E(a, b) = \sum_i (a_i - b_i)^2

    Promises: quadratic and convex in both arguments together; the Hessian's blocks are 2 and -2 times the identity.
    Shapes:   a, b (batch, *shape) -> energy (batch,), summed over *shape*, never averaged and never halved.
    Units:    the square of the arguments' unit. A Gaussian's log density has the weight 1 / (2 variance).
    Source:   Olshausen & Field, Nature 381, 1996, equation 2.
    """

    type: Literal["squared_distance"] = "squared_distance"
    between: tuple[Expression, Expression] = Field(description="the two values that are compared")

    convex: ClassVar[bool] = True
    glyph: ClassVar[Glyph] = Glyph(label="d²", formula="‖{0} - {1}‖²")

    def energy(self, *arguments: Tensor) -> Tensor:
        a, b = arguments
        return per_example((a - b).square())

    def curvature(self, parameters: Parameters) -> float:
        return 2.0
