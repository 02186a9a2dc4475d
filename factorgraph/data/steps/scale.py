"""Map the training set's range of values to another."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field, model_validator

from factorgraph.data.model import StepLeaf
from factorgraph.data.rows import pieces
from factorgraph.errors import DataError, issue
from factorgraph.lazy import np
from factorgraph.spec.constants import Real

if TYPE_CHECKING:
    from factorgraph.data.model import Array, Kept, State


class Scale(StepLeaf):
    r"""Maps the smallest value of the training set to ``low`` and the largest to ``high``, the others between them.

    .. math:: x' = low + (high - low) \frac{x - min}{max - min}

    Test samples may fall a little outside: nothing is cut off. Undone exactly.
    """

    type: Literal["scale"] = "scale"
    to: tuple[Real, Real] = Field((0.0, 1.0), description="[low, high], the range of the prepared training set")

    main: ClassVar[str] = "to"

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if not self.to[0] < self.to[1]:
            raise ValueError("the first number, low, must be below the second, high")
        return self

    def fit(self, x: Array) -> dict[str, Array]:
        low = min(float(piece.min()) for piece in pieces(x))
        high = max(float(piece.max()) for piece in pieces(x))
        if low == high:
            raise DataError(issue("FG517", f"scale: every value of the training samples is {low:g}", fix="look at the data"))
        return {"range": np.asarray([low, high])}

    def apply(self, x: Array, state: State) -> Array:
        low = float(state["range"][0])
        return self.to[0] + (x - low) * self._factor(state)

    def undo(self, x: Array, state: State, kept: Kept) -> Array | None:
        low = float(state["range"][0])
        return low + (x - self.to[0]) / self._factor(state)

    def undo_linear(self, x: Array, state: State) -> Array:
        return x / self._factor(state)

    def transpose(self, x: Array, state: State) -> Array:
        return x * self._factor(state)

    def _factor(self, state: State) -> float:
        return float((self.to[1] - self.to[0]) / (state["range"][1] - state["range"][0]))
