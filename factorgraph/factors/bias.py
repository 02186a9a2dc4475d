"""A learned preference of every unit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from factorgraph.factors._sums import per_example
from factorgraph.spec.expressions import Expression
from factorgraph.structure import Factor, Glyph, Linear, Parameter, Parameters, Shape

if TYPE_CHECKING:
    from torch import Tensor


class Bias(Factor, Linear):
    r"""Makes each unit prefer to be small or large, as much as is learned.

    .. math:: E(z) = \sum_i b_i z_i

    Promises: linear, and so convex with any weight.
    Needs:    other factors, or a domain, that keep z from running away.
    Shapes:   z (batch, *shape) -> energy (batch,), summed over *shape*; bias b (*shape) learned, from 0.
    Units:    b is energy per unit of z. A unit that is often on learns a negative b.
    Source:   Ackley, Hinton & Sejnowski, Cognitive Science 9, 1985: thresholds of a Boltzmann machine.
    """

    type: Literal["bias"] = "bias"
    of: Expression = Field(description="the value whose units have a preference")

    convex: ClassVar[bool] = True
    glyph: ClassVar[Glyph] = Glyph(label="⟨b, z⟩", formula="⟨b, {0}⟩")

    def parameters(self, *shapes: Shape) -> dict[str, Parameter]:
        return {"bias": Parameter(shapes[0], "constant", 0.0)}

    def energy(self, *arguments: Any) -> Tensor:
        z, parameters = arguments
        return per_example(z * parameters["bias"])

    def curvature(self, parameters: Parameters) -> float:
        return 0.0
