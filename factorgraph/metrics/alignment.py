"""Whether an encoder reads what a decoder writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.metrics._base import Kind, MetricLeaf, matched_cosines

if TYPE_CHECKING:
    from factorgraph.run.measured import Measured


class Alignment(MetricLeaf):
    """The median cosine between what matched units of two functions read or write: row i of an encoder, column i of a decoder.

    A unit of zeros has cosine 0.
    """

    type: Literal["alignment"] = "alignment"

    arguments: ClassVar[tuple[Kind, ...]] = ("function", "function")

    def measure(self, on: Measured, first: str, second: str) -> float:
        return float(matched_cosines(on, first, second).quantile(0.5))
