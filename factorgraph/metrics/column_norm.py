"""How much one unit writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.metrics._base import Kind, MetricLeaf

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.run.measured import Measured


class ColumnNorm(MetricLeaf):
    """The Euclidean norm of each column of a function's matrix: what one input unit writes. One figure a unit."""

    type: Literal["column_norm"] = "column_norm"

    arguments: ClassVar[tuple[Kind, ...]] = ("function",)
    per_unit: ClassVar[bool] = True

    def measure(self, on: Measured, function: str) -> Tensor:
        norms: Tensor = on.matrix(function).double().movedim(1, 0).flatten(1).norm(dim=1)
        return norms
