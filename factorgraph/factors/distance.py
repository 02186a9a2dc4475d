"""The distance between two values to any power."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from factorgraph.factors._sums import per_example
from factorgraph.lazy import torch
from factorgraph.spec.constants import Power
from factorgraph.spec.expressions import Expression
from factorgraph.structure import Differentiable, Factor, Glyph, Parameters, Promise, Proximal, Square

if TYPE_CHECKING:
    from torch import Tensor


class Distance(Factor, Square, Proximal):
    r"""Pulls two values towards each other; the power says how much more a large difference counts than a small one.

    .. math:: E(a, b) = \sum_i |a_i - b_i|^p, \qquad p = 1\!: \operatorname{prox}_{tE}(v) = v - \min(\max(v - b, -t), t)

    Promises: convex in both arguments together. With p = 1 proximal in either argument while the other stands still, and no
              gradient where they are equal; with p = 2 quadratic; with any other p only differentiable, its curvature unbounded.
    Shapes:   a, b (batch, *shape) -> energy (batch,), summed over *shape*, never averaged, and no root is taken.
    Units:    the p-th power of the arguments' unit.
    Errors:   p below 1, where the energy would not be convex.
    Source:   Mathieu, Couprie & LeCun, arXiv:1511.05440, 2015, equation 5.
    """

    examples: ClassVar[tuple[Mapping[str, Any], ...]] = ({}, {"p": 1.5}, {"p": 2}, {"p": 3})

    type: Literal["distance"] = "distance"
    between: tuple[Expression, Expression] = Field(description="the two values that are compared")
    p: Power = Field(1.0, description="the power, at least 1: at 1 the least energy is at a median, at 2 at a mean")

    separable: ClassVar[bool] = True
    convex: ClassVar[bool] = True
    glyph: ClassVar[Glyph] = Glyph(label="dᵖ", formula="Σ|{0} - {1}|ᵖ")

    def keeps(self, promise: Promise, moving: frozenset[int]) -> bool:
        if self.p == 1:
            return promise is Proximal and len(moving) == 1
        return issubclass(Square if self.p == 2 else Differentiable, promise)

    def energy(self, *arguments: Tensor) -> Tensor:
        a, b = arguments
        if self.p == 1:
            return per_example((a - b).abs())
        if self.p == 2:
            return per_example((a - b).square())  # unlike a power of the magnitude it has its second derivative at 0 too
        return per_example((a - b).abs().pow(self.p))

    def prox(self, v: Tensor, t: Tensor, *still: Tensor) -> Tensor:
        difference = v - still[0]
        return v - torch.minimum(torch.maximum(difference, -t), t)

    def curvature(self, parameters: Parameters) -> float:
        return 2.0
