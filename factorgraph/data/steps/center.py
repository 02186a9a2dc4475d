"""Subtract the mean of the training set."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.data.model import StepLeaf
from factorgraph.data.rows import mean

if TYPE_CHECKING:
    from factorgraph.data.model import Array, Kept, State


class Center(StepLeaf):
    r"""Subtracts the training set's mean sample, so that every unit has mean 0 over the training set.

    .. math:: x' = x - \frac{1}{n} \sum_{i \in train} x_i

    Undone exactly. Shapes: any. Units: those of the data.
    """

    type: Literal["center"] = "center"

    anywhere: ClassVar[bool] = False  # a mean for each pixel

    def fit(self, x: Array) -> dict[str, Array]:
        return {"mean": mean(x)}

    def apply(self, x: Array, state: State) -> Array:
        return x - state["mean"]

    def undo(self, x: Array, state: State, kept: Kept) -> Array | None:
        return x + state["mean"]
