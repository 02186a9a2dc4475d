"""How high the energy surface is away from the data."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.metrics._base import Kind, MetricLeaf

if TYPE_CHECKING:
    from factorgraph.run.measured import Measured


class Background(MetricLeaf):
    """The mean energy of points far from the source's curve, under the first procedure. Units: energy, per sample."""

    type: Literal["background"] = "background"

    arguments: ClassVar[tuple[Kind, ...]] = ()
    of_source: ClassVar[str] = "background"

    def measure(self, on: Measured) -> float:
        return float(on.energies(on.background()).mean())
