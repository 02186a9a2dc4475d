"""How many numbers a procedure's code takes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.metrics._base import Kind, MetricLeaf, active_units

if TYPE_CHECKING:
    from factorgraph.run.measured import Measured


class Nonzeros(MetricLeaf):
    """The active code units for each value of a sample: what is stored of a picture, a pixel.

    Over the held-out samples, of all latents together, over the values of all observed variables that come from the data. Active
    means above a thousandth of the code's root mean square. Unlike the share of active units it compares codes of different
    sizes: an overcomplete code has more units, and may need fewer of them.
    """

    type: Literal["nonzeros"] = "nonzeros"

    arguments: ClassVar[tuple[Kind, ...]] = ("procedure",)

    def measure(self, on: Measured, procedure: str) -> float:
        solved = on.solved(procedure)
        values = sum(math.prod(each.shape[1:]) for each in on.given.values())
        active = [float(active_units(solved.variables[each]).sum(1).double().mean()) for each in solved.latents]
        return sum(active) / values if active else float("nan")
