"""Lay a margin around pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from factorgraph.data.model import StepLeaf
from factorgraph.lazy import np
from factorgraph.spec.constants import Count
from factorgraph.structure import Shape, ShapeError

if TYPE_CHECKING:
    from factorgraph.data.model import Array, Kept, State


class Pad(StepLeaf):
    r"""Lays a margin of zeros around pictures, so that their sides divide well: 28 x 28 becomes 32 x 32.

    .. math:: x'_{i + t, j + l} = x_{ij}, \qquad t = \lfloor (size - height) / 2 \rfloor, \ l = \lfloor (size - width) / 2 \rfloor

    and 0 elsewhere. Undone exactly: the margin is cut off. Shapes: (..., height, width) to (..., size, size). Units: those of the
    data.
    """

    type: Literal["pad"] = "pad"
    size: Count = Field(description="pixels along a side of a padded picture")

    main: ClassVar[str] = "size"
    anywhere: ClassVar[bool] = False  # it makes one size of all

    def output_shape(self, given: Shape) -> Shape:
        if len(given) < 2 or max(given[-2:]) > self.size:
            raise ShapeError(f"pad makes pictures of {self.size} x {self.size}, and a sample has the shape {list(given)}")
        return (*given[:-2], self.size, self.size)

    def fit(self, x: Array) -> dict[str, Array]:
        return {"sides": np.asarray(x.shape[-2:])}

    def apply(self, x: Array, state: State) -> Array:
        padded = np.zeros((len(x), *self.output_shape(tuple(x.shape[1:]))))
        padded[self._inside(state)] = x
        return padded

    def undo(self, x: Array, state: State, kept: Kept) -> Array | None:
        return x[self._inside(state)]

    def undo_linear(self, x: Array, state: State) -> Array:
        return x[self._inside(state)]

    def transpose(self, x: Array, state: State) -> Array:
        return x[self._inside(state)]

    def _inside(self, state: State) -> tuple[Any, slice, slice]:
        height, width = (int(side) for side in state["sides"])
        top, left = (self.size - height) // 2, (self.size - width) // 2
        return (..., slice(top, top + height), slice(left, left + width))
