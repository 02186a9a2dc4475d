"""Turn every value into 0 or 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from factorgraph.data.model import StepLeaf
from factorgraph.data.rows import pieces
from factorgraph.lazy import np
from factorgraph.spec.constants import Real

if TYPE_CHECKING:
    from factorgraph.data.model import Array, Kept, State


class Binarise(StepLeaf):
    r"""Turns every value above a threshold into 1 and every other into 0, as models of binary units need it.

    .. math:: x'_i = [x_i > threshold]

    How far a value was from the threshold is lost: undone, a 0 becomes the mean of the training values that became 0, and a 1 the
    mean of those that became 1. Shapes: any. Units: none.
    """

    type: Literal["binarise"] = "binarise"
    threshold: Real = Field(0.5, description="values above it become 1")

    main: ClassVar[str] = "threshold"

    def fit(self, x: Array) -> dict[str, Array]:
        sums, counts = np.zeros(2), np.zeros(2)
        for piece in pieces(x):
            above = piece > self.threshold
            sums += [piece[~above].sum(), piece[above].sum()]
            counts += [above.size - above.sum(), above.sum()]
        return {"means": np.where(counts > 0, sums / np.maximum(counts, 1), self.threshold)}

    def apply(self, x: Array, state: State) -> Array:
        return np.asarray(x > self.threshold, dtype=x.dtype)

    def undo(self, x: Array, state: State, kept: Kept) -> Array | None:
        return float(state["means"][0]) + self.undo_linear(x, state)

    def undo_linear(self, x: Array, state: State) -> Array:
        return x * float(state["means"][1] - state["means"][0])
