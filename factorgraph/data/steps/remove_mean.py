"""Subtract each sample's own mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from factorgraph.data.model import StepLeaf
from factorgraph.data.rows import flat, per_row
from factorgraph.lazy import np

if TYPE_CHECKING:
    from factorgraph.data.model import Array, Kept, State


class RemoveMean(StepLeaf):
    r"""Subtracts from each sample the mean of its own values, over all channels: a patch's brightness.

    .. math:: x'_i = x_i - \frac{1}{d} \sum_j x_j

    Undone exactly: the mean is remembered. Filters are shown as they are: their part along the constant direction, which no
    prepared sample has, is seen when it is there.
    """

    type: Literal["remove_mean"] = "remove_mean"

    def remember(self, x: Array, state: State) -> dict[str, Array]:
        return {"mean": flat(x).mean(axis=1)}

    def apply(self, x: Array, state: State) -> Array:
        result = x - per_row(flat(x).mean(axis=1), x)
        constant = np.ptp(flat(x), axis=1) == 0  # rounding must not leave a pattern that later steps blow up
        result[constant] = 0.0
        return result

    def undo(self, x: Array, state: State, kept: Kept) -> Array | None:
        return x + per_row(kept["mean"], x)

    def transpose(self, x: Array, state: State) -> Array:
        return x - per_row(flat(x).mean(axis=1), x)
