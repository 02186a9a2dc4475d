"""Leave out the samples of lowest contrast."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from factorgraph.data.model import StepLeaf
from factorgraph.data.rows import contrast, pieces
from factorgraph.errors import DataError, issue
from factorgraph.lazy import np
from factorgraph.spec.constants import Share

if TYPE_CHECKING:
    from factorgraph.data.model import Array, Kept, State


class DropFlat(StepLeaf):
    r"""Leaves out the share of samples of lowest contrast: sky and wall, which teach nothing. Held-out ones too.

    Contrast is the standard deviation of a sample's values. The bound is the training samples' quantile; held-out samples at or
    below it are left out too. In inference nothing is left out. A sample stays when its contrast is *above* the bound: ties at
    the bound all go.
    """

    type: Literal["drop_flat"] = "drop_flat"
    share: Share = Field(0.15, description="of the training samples to leave out, 0 to 1; it sets the bound for held-out ones")

    main: ClassVar[str] = "share"

    def fit(self, x: Array) -> dict[str, Array]:
        if self.share >= 1:
            raise DataError(issue("FG517", "drop_flat: 1 would leave out every sample", fix="a share below 1, such as 0.15"))
        numbers = np.sort(np.concatenate([contrast(piece) for piece in pieces(x)]))
        dropped = int(self.share * len(numbers))
        return {"bound": np.asarray(numbers[dropped - 1] if dropped else -1.0)}  # no contrast is below 0

    def rows(self, x: Array, state: State) -> Array | None:
        return np.asarray(contrast(x) > state["bound"])

    def apply(self, x: Array, state: State) -> Array:
        return x

    def undo(self, x: Array, state: State, kept: Kept) -> Array | None:
        return x
