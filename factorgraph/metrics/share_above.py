"""How many units have a large figure."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.metrics._base import Kind, MetricLeaf

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.run.measured import Measured


class ShareAbove(MetricLeaf):
    """The share of units whose figure is above a bound."""

    type: Literal["share_above"] = "share_above"

    arguments: ClassVar[tuple[Kind, ...]] = ("units", "number")

    def measure(self, on: Measured, figures: Tensor, bound: float) -> float:
        return float((figures > bound).double().mean())
