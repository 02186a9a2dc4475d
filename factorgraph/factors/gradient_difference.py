"""The difference between the edges of two images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from factorgraph.factors._sums import alike, per_example
from factorgraph.spec.constants import Power
from factorgraph.spec.expressions import Expression
from factorgraph.structure import Differentiable, Factor, Glyph, Shape, ShapeError

if TYPE_CHECKING:
    from torch import Tensor


class GradientDifference(Factor, Differentiable):
    r"""Asks two images to have edges of the same strength at the same places, so that a blurred one costs much.

    .. math:: E(a, b) = \sum_{d \in \{\uparrow, \leftarrow\}} \sum_i \bigl| |\partial_d a_i| - |\partial_d b_i| \bigr|^p

    Each derivative is the difference of two neighbours along one of the last two axes.

    Promises: differentiable; not convex: it sees neither the sign of an edge nor a constant, so it goes beside a distance.
    Shapes:   a, b (batch, *maps, height, width) -> energy (batch,), summed over both directions and all maps, never averaged.
    Units:    the p-th power of the arguments' unit.
    Errors:   fewer than two axes; a power below 1, whose gradient has no bound where edges agree.
    Source:   Mathieu, Couprie & LeCun, arXiv:1511.05440, 2015, equation 6.
    """

    examples: ClassVar[tuple[Mapping[str, Any], ...]] = ({}, {"power": 1.5}, {"power": 2})

    type: Literal["gradient_difference"] = "gradient_difference"
    between: tuple[Expression, Expression] = Field(description="the two images whose edges are compared")
    power: Power = Field(1.0, description="of each difference, at least 1")

    additive: ClassVar[bool] = False
    glyph: ClassVar[Glyph] = Glyph(label="|∇|", formula="Σ||∇{0}| - |∇{1}||ᵖ")

    def check(self, *shapes: Shape) -> None:
        super().check(*shapes)
        if max(len(shape) for shape in shapes) < 2:
            raise ShapeError("compares edges along two image axes, and has " + " and ".join(str(list(shape)) for shape in shapes))

    def energy(self, *arguments: Tensor) -> Tensor:
        a, b = alike(*arguments)
        return self._along(a, b, -2) + self._along(a, b, -1)

    def _along(self, a: Tensor, b: Tensor, axis: int) -> Tensor:
        difference = (a.diff(dim=axis).abs() - b.diff(dim=axis).abs()).abs()
        return per_example(difference if self.power == 1 else difference.pow(self.power))
