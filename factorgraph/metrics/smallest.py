"""The smallest figure over units."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.metrics._base import Kind, MetricLeaf

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.run.measured import Measured


class Smallest(MetricLeaf):
    """The smallest of a metric's figures, one a unit."""

    type: Literal["smallest"] = "smallest"

    arguments: ClassVar[tuple[Kind, ...]] = ("units",)

    def measure(self, on: Measured, figures: Tensor) -> float:
        return float(figures.min())
