"""How much faster one procedure is than another."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.metrics._base import Kind, MetricLeaf

if TYPE_CHECKING:
    from factorgraph.run.measured import Measured

WARM_UP = 2  # runs of each that are not counted: first calls allocate and compile
REPEATS = 15  # odd, so that the median is one of them
SECONDS = 5.0  # slow procedures get fewer repeats, three at least


class Speedup(MetricLeaf):
    """The median time of the second procedure over that of the first, on the same batch of 100 held-out samples.

    The two take turns, so that a busy machine slows both. The figure belongs to the machine that it was measured on.
    """

    type: Literal["speedup"] = "speedup"

    arguments: ClassVar[tuple[Kind, ...]] = ("procedure", "procedure")

    def measure(self, on: Measured, fast: str, slow: str) -> float:
        for _ in range(WARM_UP):
            on.seconds(fast), on.seconds(slow)
        times: list[tuple[float, float]] = []
        while len(times) < 3 or (len(times) < REPEATS and sum(map(sum, times)) < SECONDS):
            times.append((on.seconds(fast), on.seconds(slow)))
        return median(slow for _, slow in times) / median(fast for fast, _ in times)
