"""Windows of pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from factorgraph.data.augmentations._windows import at, whole
from factorgraph.data.model import AugmentationLeaf
from factorgraph.lazy import np
from factorgraph.spec.constants import Count
from factorgraph.structure import Shape, ShapeError

if TYPE_CHECKING:
    from factorgraph.data.model import Array, Kept, State


class Crop(AugmentationLeaf):
    r"""Shows a square window of each picture: anywhere in it while learning, its middle otherwise.

    .. math:: x'_{r,c} = x_{r + a,\,c + b}, \qquad 0 \le r, c < size, \quad a \le height - size, \; b \le width - size

    A filter on windows is shown in the middle of a picture. A window cannot be undone: what lay around it is gone.

    Promises: all pictures of one sample (an image and its mask, the frames of a clip) are cut at the same place.
    Shapes:   (rows, ..., height, width) -> (rows, ..., size, size).
    Errors:   FG505 where a picture is smaller than the window.
    Source:   Krizhevsky, Sutskever & Hinton, NIPS 2012, section 4.1.
    """

    type: Literal["crop"] = "crop"
    size: Count = Field(description="pixels along a side of the window")

    main: ClassVar[str] = "size"
    chances: ClassVar[int] = 2
    examples = ({"size": 3},)

    def output_shape(self, given: Shape) -> Shape:
        if len(given) < 2:
            return given
        if min(given[-2:]) < self.size:
            raise ShapeError(f"crop takes a window of {self.size} x {self.size}, and {list(given)} is smaller")
        return (*given[:-2], self.size, self.size)

    def fit(self, x: Array) -> dict[str, Array]:
        return {"picture": np.asarray(x.shape[-2:], dtype=np.int64)} if x.ndim > 2 else {}

    def vary(self, x: Array, chance: Array) -> Array:
        corners = (whole(chance[:, axis], 0, size - self.size) for axis, size in enumerate(x.shape[-2:]))
        return at(x, *(corner[:, None] + np.arange(self.size) for corner in corners))

    def apply(self, x: Array, state: State) -> Array:
        if "picture" not in state:
            return x
        top, left = ((size - self.size) // 2 for size in x.shape[-2:])
        return x[..., top : top + self.size, left : left + self.size]

    def undo(self, x: Array, state: State, kept: Kept) -> Array | None:
        return None

    def undo_linear(self, x: Array, state: State) -> Array:
        if "picture" not in state:
            return x
        sides = (int(size) - self.size for size in state["picture"])
        return np.pad(x, [(0, 0)] * (x.ndim - 2) + [(side // 2, side - side // 2) for side in sides])

    def transpose(self, x: Array, state: State) -> Array:
        return self.undo_linear(x, state)
