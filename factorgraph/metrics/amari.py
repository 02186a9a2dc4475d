"""How far filters are from undoing a mixture."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.errors import RunError, issue
from factorgraph.metrics._base import Kind, MetricLeaf

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.run.measured import Measured


class Amari(MetricLeaf):
    r"""How far the rows of a matrix are from picking one true source each, whatever their order, signs and lengths.

    .. math:: \frac{1}{2 n (n - 1)} \Big( \sum_i \big( \tfrac{\sum_j |p_{ij}|}{\max_k |p_{ik}|} - 1 \big)
              + \sum_j \big( \tfrac{\sum_i |p_{ij}|}{\max_k |p_{kj}|} - 1 \big) \Big), \qquad P = W A

    0 where each row answers to one source and each source to one row, 1 where all answer to all alike.

    Source: Amari, Cichocki & Yang, NIPS 1996, section 5, here divided by its largest value.
    """

    type: Literal["amari"] = "amari"

    arguments: ClassVar[tuple[Kind, ...]] = ("function",)
    of_source: ClassVar[str] = "truth"

    def measure(self, on: Measured, function: str) -> float:
        rows, truth = on.units_in_source_space(function).double(), on.truth().double().T
        if rows.shape[::-1] != truth.shape or len(rows) < 2:
            text = f"{function!r} has {len(rows)} units of {rows.shape[1]} values, and the mixture is {list(truth.shape)}"
            raise RunError(issue("FG632", text, fix="as many units as there are sources, at least two"))
        through = (rows @ truth).abs()
        return float((_rest(through) + _rest(through.T)) / (2 * len(rows) * (len(rows) - 1)))


def _rest(shares: Tensor) -> Tensor:
    """What rows hold beside their largest entry, over it, summed over rows: (n, n) -> ()."""
    return (shares.sum(1) / shares.amax(1) - 1).sum()
