"""Whether a map leads back to the data."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.metrics._base import Kind, MetricLeaf, count

if TYPE_CHECKING:
    from factorgraph.run.measured import Measured


class Attraction(MetricLeaf):
    """The share of the distance to the source's curve that points lose when a value takes their place again and again.

    From 0.15 off the held-out samples, in a direction of each one's own. 1 where all end on the curve, 0 where they stay, below
    where they leave it.
    """

    type: Literal["attraction"] = "attraction"

    arguments: ClassVar[tuple[Kind, ...]] = ("value", "number")

    def measure(self, on: Measured, value: str, steps: float) -> float:
        times, points = count(steps, "steps", 0), on.beside()
        before = on.distances(points).mean()
        for _ in range(times):
            points = on.moved(value, points)
        return float(1 - on.distances(points).mean() / before)
