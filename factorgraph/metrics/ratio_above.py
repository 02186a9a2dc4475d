"""What tells units of one kind from the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.metrics._base import Kind, MetricLeaf, check_matched

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.run.measured import Measured


class RatioAbove(MetricLeaf):
    r"""The mean of one figure over the units whose other figure is above a bound, over that of all other units.

    .. math:: \frac{\operatorname{mean}_{i: b_i > t} a_i}{\operatorname{mean}_{i: b_i \le t} a_i}

    Where all units are on one side of the bound there is no number.

    Errors: figures of different numbers of units.
    """

    type: Literal["ratio_above"] = "ratio_above"

    arguments: ClassVar[tuple[Kind, ...]] = ("units", "units", "number")

    def measure(self, on: Measured, figures: Tensor, other: Tensor, bound: float) -> float:
        check_matched(figures, other)
        above = other > bound
        return float(figures[above].double().mean() / figures[~above].double().mean())
