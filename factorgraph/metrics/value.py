"""One factor's value."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.metrics._base import Kind, MetricLeaf

if TYPE_CHECKING:
    from factorgraph.run.measured import Measured


class Value(MetricLeaf):
    """The mean value of one factor, without its weight, where the first procedure leaves the latents.

    A factor with slots is summed over them, as in the energy. Units: energy, per sample.
    """

    type: Literal["value"] = "value"

    arguments: ClassVar[tuple[Kind, ...]] = ("factor",)

    def measure(self, on: Measured, factor: str) -> float:
        return float(on.factor_values(factor, on.solved(None)).mean())
