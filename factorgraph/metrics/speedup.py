"""How much faster one procedure is than another."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.metrics._base import Kind, MetricLeaf
from factorgraph.metrics._timing import medians

if TYPE_CHECKING:
    from factorgraph.run.measured import Measured


class Speedup(MetricLeaf):
    """The median time of the second procedure over that of the first, on the same batch of 100 held-out samples.

    The two take turns, so that a busy machine slows both. The figure belongs to the machine that it was measured on.
    """

    type: Literal["speedup"] = "speedup"

    arguments: ClassVar[tuple[Kind, ...]] = ("procedure", "procedure")

    def measure(self, on: Measured, fast: str, slow: str) -> float:
        first, second = medians([partial(on.seconds, fast), partial(on.seconds, slow)])
        return second / first
