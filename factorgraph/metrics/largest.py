"""The largest figure over units."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.metrics._base import Kind, MetricLeaf

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.run.measured import Measured


class Largest(MetricLeaf):
    """The largest of a metric's figures, one a unit."""

    type: Literal["largest"] = "largest"

    arguments: ClassVar[tuple[Kind, ...]] = ("units",)

    def measure(self, on: Measured, figures: Tensor) -> float:
        return float(figures.max())
