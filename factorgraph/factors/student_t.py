"""Student's t: an energy that forgives large values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from factorgraph.factors._sums import per_example
from factorgraph.spec.constants import Positive
from factorgraph.spec.expressions import Expression
from factorgraph.structure import Factor, Glyph, Parameters, Smooth

if TYPE_CHECKING:
    from torch import Tensor


class StudentT(Factor, Smooth):
    r"""Pays for active units: by the square while they are small, and hardly any more once they are large.

    .. math:: E(z) = \sum_i \log(1 + z_i^2 / \nu)

    Promises: smooth, the curvature at most 2 / degrees; not convex: it bends down beyond the root of the degrees. With the weight
              (degrees + 1) / 2 it is, but for a constant, the energy of Student's t.
    Shapes:   z (batch, *shape) -> energy (batch,), summed over *shape*, never averaged.
    Units:    nats per unit of weight; z is measured in its own scale, whose square is the degrees.
    Source:   Welling, Hinton & Osindero, NIPS 15, 2002: products of Student's t.
    """

    examples: ClassVar[tuple[Mapping[str, Any], ...]] = ({}, {"degrees": 0.37}, {"degrees": 5})

    type: Literal["student_t"] = "student_t"
    of: Expression = Field(description="the value whose units are to be small, but for a few")
    degrees: Positive = Field(1.0, description="of freedom: the square of the size from which on a unit counts as large")

    glyph: ClassVar[Glyph] = Glyph(label="log(1 + z²)", formula="Σ log(1 + {0}²/ν)")

    def energy(self, *arguments: Tensor) -> Tensor:
        (z,) = arguments
        return per_example((z.square() / self.degrees).log1p())

    def curvature(self, parameters: Parameters) -> float:
        return 2 / self.degrees
