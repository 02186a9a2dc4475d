"""What the steps share that divide each sample by its own size."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from factorgraph.data.model import StepLeaf
from factorgraph.data.rows import per_row, pieces
from factorgraph.lazy import np

if TYPE_CHECKING:
    from factorgraph.data.model import Array, Kept, State

NOTHING = 1e-6  # of the training samples' usual size: below it a sample is flat, and what is left of it is rounding


class SizeOfSample(StepLeaf):
    """Divides each sample by its own size, so that all are equally large.

    A sample that is flat has no size of its own: it is divided by the training samples' usual one, and so stays (nearly) zero.
    """

    @abstractmethod
    def size(self, x: Array) -> Array:
        """(rows, *shape) -> (rows,), at least 0."""

    def fit(self, x: Array) -> dict[str, Array]:
        squares = sum(float((self.size(piece) ** 2).sum()) for piece in pieces(x))
        usual = np.sqrt(squares / len(x))
        return {"usual": np.asarray(usual if usual > 0 else 1.0)}

    def remember(self, x: Array, state: State) -> dict[str, Array]:
        size = self.size(x)
        return {"size": np.where(size > NOTHING * state["usual"], size, state["usual"])}

    def apply(self, x: Array, state: State) -> Array:
        return x / per_row(self.remember(x, state)["size"], x)

    def undo(self, x: Array, state: State, kept: Kept) -> Array | None:
        return x * per_row(kept["size"], x)
