"""How much of the source's curve samples reach."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.metrics._base import Kind, MetricLeaf, count

if TYPE_CHECKING:
    from factorgraph.run.measured import Measured


class Coverage(MetricLeaf):
    """Of so many equal bins of the length of the source's curve, how many have a sample of a value nearest to them.

    Says nothing of how near they are: ``near`` does.
    """

    type: Literal["coverage"] = "coverage"

    arguments: ClassVar[tuple[Kind, ...]] = ("value", "number")

    def measure(self, on: Measured, value: str, bins: float) -> float:
        many = count(bins, "bins", 1)
        bin_of = (on.places(on.value(value)) * many).long().clamp_max(many - 1)  # of each sample
        return float((bin_of.bincount(minlength=many) > 0).sum())
