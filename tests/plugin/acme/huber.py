"""The Huber distance."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from factorgraph.spec.constants import Positive
from factorgraph.spec.expressions import Expression
from factorgraph.structure import Factor, Glyph, Parameters, Smooth

if TYPE_CHECKING:
    from torch import Tensor


class AcmeHuber(Factor, Smooth):
    r"""Pulls two values together by the square of their distance when near, by the distance itself when far.

    .. math:: E(a, b) = \sum_i h(a_i - b_i), \qquad h(d) = d^2 \text{ if } |d| < w, \text{ else } w (2 |d| - w)

    Promises: smooth and convex; the curvature is at most 2.
    Shapes:   a, b (batch, *shape) -> energy (batch,).
    Units:    the square of the arguments' unit.
    Source:   Huber, Annals of Mathematical Statistics 35(1), 1964.
    """

    type: Literal["acme_huber"] = "acme_huber"
    between: tuple[Expression, Expression] = Field(description="the two values that are compared")
    width: Positive = Field(1.0, description="up to where the square counts")

    convex: ClassVar[bool] = True
    glyph: ClassVar[Glyph] = Glyph(label="huber", formula="huber({0} - {1})")

    def energy(self, *arguments: Tensor) -> Tensor:
        a, b = arguments
        far = (a - b).abs()
        near = far.clamp(max=self.width)
        return (near * (2 * far - near)).reshape(len(far), -1).sum(1)

    def curvature(self, parameters: Parameters) -> float:
        return 2.0
