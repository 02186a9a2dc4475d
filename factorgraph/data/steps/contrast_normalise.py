"""Subtract the neighbourhood's mean and divide by its deviation, at every pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, field_validator

from factorgraph.data.model import StepLeaf
from factorgraph.data.rows import pieces
from factorgraph.lazy import np
from factorgraph.spec.constants import Count
from factorgraph.structure import Shape, ShapeError

if TYPE_CHECKING:
    from factorgraph.data.model import Array, Kept, State

NOTHING = 1e-6  # of the training samples' usual deviation: below it a picture is flat, and what is left of it is rounding


class ContrastNormalise(StepLeaf):
    r"""Subtracts from each pixel its neighbourhood's mean and divides by its deviation: what lighting does to a picture is gone.

    With a Gaussian window :math:`w` that sums to 1 over the neighbourhood and all channels, and :math:`c` the mean of
    :math:`s` over the picture,

    .. math:: v = x - w * x, \qquad s^2 = w * v^2, \qquad x' = v / \max(c, s)

    The window's deviation is a quarter of its width; at the border it is cut off and sums to 1 over what is left. A flat picture
    is divided by the training pictures' usual deviation instead. Undone exactly: means and deviations are remembered. Filters are
    shown without the division, which differs from pixel to pixel.

    Shapes: (height, width), or (channels, height, width). Units: none.
    Source: Jarrett, Kavukcuoglu, Ranzato & LeCun, ICCV 2009, section 2.1.
    """

    type: Literal["contrast_normalise"] = "contrast_normalise"
    window: Count = Field(9, description="pixels along a side of a neighbourhood; an odd number")

    main: ClassVar[str] = "window"

    @field_validator("window")
    @classmethod
    def _has_a_middle(cls, window: int) -> int:
        if isinstance(window, int) and window % 2 == 0:
            raise ValueError("an odd number, so that a neighbourhood has a middle")
        return window

    def output_shape(self, given: Shape) -> Shape:
        if len(given) not in (2, 3):
            raise ShapeError(f"contrast_normalise takes pictures, and a sample has the shape {list(given)}")
        return given

    def fit(self, x: Array) -> dict[str, Array]:
        squares = sum(float((self._deviation(piece) ** 2).sum()) for piece in pieces(x))
        usual = np.sqrt(squares / (x.size / _channels(x)))
        return {"usual": np.asarray(usual if usual > 0 else 1.0)}

    def remember(self, x: Array, state: State) -> dict[str, Array]:
        deviation = self._deviation(x)
        middle = deviation.mean(axis=(-2, -1), keepdims=True)
        flat = middle <= NOTHING * state["usual"]
        return {"mean": self._smooth(x), "scale": np.where(flat, state["usual"], np.maximum(deviation, middle))}

    def apply(self, x: Array, state: State) -> Array:
        kept = self.remember(x, state)
        return (x - kept["mean"]) / kept["scale"]

    def undo(self, x: Array, state: State, kept: Kept) -> Array | None:
        return x * kept["scale"] + kept["mean"]

    def transpose(self, x: Array, state: State) -> Array:
        tall, wide = self._along(x.shape[-2]), self._along(x.shape[-1])
        back: Array = _over_channels(tall.T @ x @ wide)
        return x - back

    def _deviation(self, x: Array) -> Array:
        """(rows, ..., height, width) -> the same, with one channel."""
        found: Array = np.sqrt(np.maximum(self._smooth((x - self._smooth(x)) ** 2), 0))
        return found

    def _smooth(self, x: Array) -> Array:
        found: Array = _over_channels(self._along(x.shape[-2]) @ x @ self._along(x.shape[-1]).T)
        return found

    def _along(self, side: int) -> Array:
        """The window along one axis: row i of (side, side) weighs the neighbours of pixel i."""
        apart = np.subtract.outer(np.arange(side), np.arange(side))
        weights = np.where(np.abs(apart) <= self.window // 2, np.exp(-0.5 * (apart / (self.window / 4)) ** 2), 0.0)
        return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _channels(x: Array) -> int:
    return int(x.shape[1]) if x.ndim == 4 else 1


def _over_channels(x: Array) -> Array:
    """The mean over channels, kept as one channel."""
    return np.asarray(x.mean(axis=1, keepdims=True)) if x.ndim == 4 else x
