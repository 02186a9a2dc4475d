"""An image at another size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, model_validator

from factorgraph.factors.functions._spectrum import norm_bound
from factorgraph.lazy import torch
from factorgraph.spec.constants import Count, Positive
from factorgraph.structure import Affine, Function, Parameters, Shape, ShapeError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

WHOLE = 1e-9  # how far a side times the scale may be from a whole number


class Resize(Function, Affine):
    r"""Shows an image at another size: each new pixel is the nearest old one, or lies between its neighbours.

    .. math:: f(x) = R_h\, x\, R_w', \qquad (R_w')_{jp} = 1 \text{ at the nearest } j, \text{ or } \max(0, 1 - |j - c_p|)

    where c is the middle of new pixel p in old pixels, (p + 1/2) n / m - 1/2 for n old pixels and m new ones, at the border moved
    onto the image. Of what is made smaller pixels are left out, not averaged: ``pool`` does that.

    Promises: affine; the bound of its norm is at most 1.3 times too large up to 256 pixels a side.
    Shapes:   x (batch, *rest, height, width) -> (batch, *rest, rows, columns).
    Errors:   FG321 where a side times ``scale`` is no whole number: it says which sizes fit.
    Source:   an elementary function.
    """

    examples: ClassVar[tuple[Mapping[str, Any], ...]] = (
        {"scale": 2},
        {"size": (2, 7)},
        {"scale": 3, "kind": "bilinear"},
        {"size": (5, 2), "kind": "bilinear"},
        {"size": 1, "kind": "bilinear"},
    )

    type: Literal["resize"] = "resize"
    size: Count | tuple[Count, Count] | None = Field(default=None, description="new pixels, [height, width] or one for both")
    scale: Positive | None = Field(default=None, description="instead: new pixels for each old one, along each axis")
    kind: Literal["nearest", "bilinear"] = Field(default="nearest", description="what a pixel between others is made of")

    @model_validator(mode="after")
    def _one_of_both(self) -> Resize:
        if (self.size is None) == (self.scale is None):
            raise ValueError("an image is resized to a size, or by a scale: give one of the two")
        return self

    def output_shape(self, given: Shape, wanted: Shape | None) -> Shape | None:
        if len(given) < 2:
            raise ShapeError(f"cannot resize {list(given)}: it takes [height, width], or [maps, height, width]")
        if self.scale is None:
            assert self.size is not None, "one of the two is given"
            sides = self.size if isinstance(self.size, tuple) else (self.size, self.size)
        else:
            sides = (self._scaled(given, given[-2]), self._scaled(given, given[-1]))
        return (*given[:-2], *sides)

    def _scaled(self, given: Shape, side: int) -> int:
        assert self.scale is not None, "asked only of a scale"
        if _is_whole(side * self.scale):
            return round(side * self.scale)
        near = (each for off in range(1, 10 * side) for each in (side - off, side + off) if each > 0)
        fitting = sorted(each for each, _ in zip((each for each in near if _is_whole(each * self.scale)), range(2), strict=False))
        fits = f"; sides that fit: {', '.join(map(str, fitting))}" if fitting else ""
        what = f"a side of {side} times {self.scale:.6g} is no whole number of pixels"
        raise ShapeError(f"cannot resize {list(given)}: {what}{fits}", ("scale",))

    def input_shape(self, result: Shape) -> Shape | None:
        if self.scale is None or len(result) < 2 or not all(_is_whole(each / self.scale) for each in result[-2:]):
            return None
        return (*result[:-2], *(round(each / self.scale) for each in result[-2:]))

    def _axes(self, given: Shape, like: Tensor) -> tuple[Tensor, Tensor]:
        """The matrices (new, old) along the two axes."""
        result = self.output_shape(given, None)
        assert result is not None, "an image of known size has a new one"
        rows, columns = (self._axis(old, new, like) for old, new in zip(given[-2:], result[-2:], strict=True))
        return rows, columns

    def _axis(self, old: int, new: int, like: Tensor) -> Tensor:
        middles = torch.arange(new, dtype=torch.float64, device=like.device) + 0.5
        places = torch.arange(old, dtype=torch.float64, device=like.device)
        if self.kind == "nearest":
            weights = (middles * old / new).floor()[:, None] == places
        else:
            centres = (middles * old / new - 0.5).clamp(0, old - 1)
            weights = (1 - (centres[:, None] - places).abs()).clamp_min(0)
        return weights.to(like.dtype)

    def forward(self, x: Tensor, parameters: Parameters) -> Tensor:
        rows, columns = self._axes(tuple(x.shape[1:]), x)
        return rows @ x @ columns.T

    def transpose(self, y: Tensor, parameters: Parameters, given: Shape) -> Tensor:
        rows, columns = self._axes(given, y)
        return rows.T @ y @ columns

    def norm_bound(self, parameters: Parameters, given: Shape) -> Tensor:
        rows, columns = self._axes(given, torch.ones(()))
        return norm_bound(rows) * norm_bound(columns)


def _is_whole(number: float) -> bool:
    return round(number) > 0 and abs(number - round(number)) <= WHOLE * max(1.0, number)
