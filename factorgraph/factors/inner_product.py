"""The inner product of two values."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from factorgraph.factors._sums import per_example
from factorgraph.spec.expressions import Expression
from factorgraph.structure import Factor, Glyph, Linear, Parameters, Promise, Quadratic

if TYPE_CHECKING:
    from torch import Tensor


class InnerProduct(Factor, Linear):
    r"""Couples two values: they raise the energy where their signs agree; a negative weight makes them seek each other.

    .. math:: E(a, b) = \sum_i a_i b_i

    Promises: bilinear: linear, and so convex with any weight, in either argument while the other stands still; quadratic in both,
              and then not convex.
    Shapes:   a, b (batch, *shape) -> energy (batch,), summed over *shape*, never averaged.
    Units:    the product of the arguments' units.
    Source:   Smolensky, Parallel Distributed Processing 1, MIT Press 1986, chapter 6: interactions of a harmonium.
    """

    type: Literal["inner_product"] = "inner_product"
    between: tuple[Expression, Expression] = Field(description="the two values that are multiplied")

    glyph: ClassVar[Glyph] = Glyph(label="⟨a, b⟩", formula="⟨{0}, {1}⟩")

    def keeps(self, promise: Promise, moving: frozenset[int]) -> bool:
        return issubclass(Linear if len(moving) == 1 else Quadratic, promise)

    def is_convex(self, moving: frozenset[int]) -> bool:
        return len(moving) == 1

    def is_bounded_below(self, nonnegative: frozenset[int]) -> bool:
        return len(nonnegative) == 2

    def energy(self, *arguments: Tensor) -> Tensor:
        a, b = arguments
        return per_example(a * b)

    def curvature(self, parameters: Parameters) -> float:
        return 1.0
