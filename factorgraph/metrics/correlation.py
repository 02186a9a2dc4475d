"""Whether two figures of a unit go together."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.metrics._base import Kind, MetricLeaf, check_matched

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.run.measured import Measured


class Correlation(MetricLeaf):
    r"""The correlation of two figures over units.

    .. math:: \frac{\sum_i (a_i - \bar a)(b_i - \bar b)}{\sqrt{\sum_i (a_i - \bar a)^2 \sum_i (b_i - \bar b)^2}}

    Where one of them is the same for all units there is no number.

    Errors: figures of different numbers of units.
    """

    type: Literal["correlation"] = "correlation"

    arguments: ClassVar[tuple[Kind, ...]] = ("units", "units")

    def measure(self, on: Measured, figures: Tensor, other: Tensor) -> float:
        check_matched(figures, other)
        a, b = (each.double() - each.double().mean() for each in (figures, other))
        return float((a * b).sum() / (a.square().sum() * b.square().sum()).sqrt())
