"""The mean of a value."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.metrics._base import Kind, MetricLeaf

if TYPE_CHECKING:
    from factorgraph.run.measured import Measured


class Mean(MetricLeaf):
    """The mean of a value over its units and all held-out samples, where the first procedure leaves the latents."""

    type: Literal["mean"] = "mean"

    arguments: ClassVar[tuple[Kind, ...]] = ("value",)

    def measure(self, on: Measured, value: str) -> float:
        return float(on.value(value).double().mean())
