"""How bright what one unit writes is."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.metrics._base import Kind, MetricLeaf

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.run.measured import Measured


class ColumnMean(MetricLeaf):
    """The mean of each column of a function's matrix, as in the prepared data: how bright an atom is. One figure a unit."""

    type: Literal["column_mean"] = "column_mean"

    arguments: ClassVar[tuple[Kind, ...]] = ("function",)
    per_unit: ClassVar[bool] = True

    def measure(self, on: Measured, function: str) -> Tensor:
        means: Tensor = on.matrix(function).double().movedim(1, 0).flatten(1).mean(1)
        return means
