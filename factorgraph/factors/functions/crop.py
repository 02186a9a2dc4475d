"""The middle of an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, model_validator

from factorgraph.lazy import torch
from factorgraph.spec.constants import Count, Whole
from factorgraph.structure import Function, Parameters, Selection, Shape, ShapeError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor


class Crop(Function, Selection):
    r"""Keeps the middle of an image and drops its border, of which a convolution knows less than of the rest.

    .. math:: f(x)(p) = x(p + m)

    ``margin`` m is dropped on all four sides; or what is beyond ``size``, the one pixel more at the bottom and on the right where
    the rest is odd. Where both a picture and what is computed of it are cropped, an energy ignores the border.

    Promises: affine, of norm 1.
    Shapes:   x (batch, *rest, height, width) -> (batch, *rest, rows, columns).
    Errors:   FG321 where nothing would be left.
    Source:   an elementary function; as a mask of the border Kavukcuoglu et al., NIPS 2010, section 2.1.
    """

    joins: ClassVar[bool] = False  # a second argument is no part of the picture
    examples: ClassVar[tuple[Mapping[str, Any], ...]] = ({"margin": 1}, {"size": (3, 2)}, {"size": 2})

    type: Literal["crop"] = "crop"
    margin: Whole | None = Field(default=None, description="pixels to drop on each side")
    size: Count | tuple[Count, Count] | None = Field(default=None, description="instead: pixels to keep, [height, width] or both")

    @model_validator(mode="after")
    def _one_of_both(self) -> Crop:
        if (self.margin is None) == (self.size is None):
            raise ValueError("a crop has a margin to drop, or a size to keep: give one of the two")
        return self

    def _kept(self, given: Shape) -> tuple[tuple[int, int], tuple[int, int]]:
        """Where the rows and columns that are kept begin, and how many they are."""
        if len(given) < 2:
            raise ShapeError(f"cannot crop {list(given)}: it takes [height, width], or [maps, height, width]")
        size = self.size if isinstance(self.size, tuple) else (self.size, self.size)
        rows, columns = (
            self._along(given, axis, each) for axis, each in zip((len(given) - 2, len(given) - 1), size, strict=True)
        )
        return rows, columns

    def _along(self, given: Shape, axis: int, size: int | None) -> tuple[int, int]:
        """Where on an axis begins what is kept, and how much that is."""
        side = given[axis]
        kept = side - 2 * (self.margin or 0) if size is None else size
        if not 0 < kept <= side:
            key = "size" if self.margin is None else "margin"
            most = f"it keeps at most {side}" if self.margin is None else f"its margin is at most {(side - 1) // 2}"
            what = "width" if axis == len(given) - 1 else "height"
            raise ShapeError(f"cannot crop {list(given)}: of a {what} of {side} {most}", (key,))
        return (side - kept) // 2, kept

    def output_shape(self, given: Shape, wanted: Shape | None) -> Shape | None:
        (_, rows), (_, columns) = self._kept(given)
        return (*given[:-2], rows, columns)

    def method_shape(self, method: str, given: tuple[Shape | None, ...]) -> Shape | None:
        if len(given) > 1:
            raise ShapeError("takes one value: the window that a mask fills is not cropped by this version")
        return None if given[0] is None else self.output_shape(given[0], None)

    def input_shape(self, result: Shape) -> Shape | None:
        if self.margin is None or len(result) < 2:
            return None
        return (*result[:-2], *(each + 2 * self.margin for each in result[-2:]))

    def forward(self, x: Tensor, parameters: Parameters) -> Tensor:
        (top, rows), (left, columns) = self._kept(tuple(x.shape[1:]))
        return x[..., top : top + rows, left : left + columns]

    def transpose(self, y: Tensor, parameters: Parameters, given: Shape) -> Tensor:
        (top, rows), (left, columns) = self._kept(given)
        return torch.nn.functional.pad(y, (left, given[-1] - left - columns, top, given[-2] - top - rows))

    def norm_bound(self, parameters: Parameters, given: Shape) -> Tensor:
        return torch.ones(())
