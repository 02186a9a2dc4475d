"""A number that is an energy already."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from factorgraph.factors._sums import per_example
from factorgraph.spec.expressions import Expression
from factorgraph.structure import Factor, Glyph, Linear, Parameters, Shape, ShapeError

if TYPE_CHECKING:
    from torch import Tensor


class Value(Factor, Linear):
    r"""Takes a single unit for an energy as it is: what a critic or a free network says of its input.

    .. math:: E(z) = z

    Promises: linear in z, so that the energy has the structure that the function behind z leaves it.
    Shapes:   z (batch, *shape) of one unit -> energy (batch,).
    Units:    those of z.
    Errors:   more than one unit: a sum of them would be meant, and no unit says so.
    Source:   LeCun, Chopra, Hadsell, Ranzato & Huang, A Tutorial on Energy-Based Learning, MIT Press 2006, section 1.
    """

    type: Literal["value"] = "value"
    of: Expression = Field(description="a value of one unit")

    convex: ClassVar[bool] = True
    additive: ClassVar[bool] = False
    usual: ClassVar[Shape | None] = (1,)
    glyph: ClassVar[Glyph] = Glyph(label="E", formula="{0}")

    def check(self, *shapes: Shape) -> None:
        if math.prod(shapes[0]) != 1:
            raise ShapeError(f"takes one unit for an energy, and {list(shapes[0])} has {math.prod(shapes[0])}")

    def is_bounded_below(self, nonnegative: frozenset[int]) -> bool:
        return bool(nonnegative)

    def energy(self, *arguments: Tensor) -> Tensor:
        (z,) = arguments
        return per_example(z)

    def curvature(self, parameters: Parameters) -> float:
        return 0.0
