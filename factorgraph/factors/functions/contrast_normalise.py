"""What is left of an image when light and contrast are taken out of it, place by place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, field_validator

from factorgraph.factors.functions._roots import root
from factorgraph.factors.functions._unitwise import SameShape
from factorgraph.lazy import torch
from factorgraph.spec.constants import Count
from factorgraph.structure import Differentiable, Parameters, Shape, ShapeError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

NOTHING = 1e-5  # of the root mean square of an image: below it an image is flat, and what is left of it is rounding


class ContrastNormalise(SameShape, Differentiable):
    r"""Subtracts from each pixel its neighbourhood's mean and divides by its deviation, unless that is below the usual one.

    .. math:: v = x - w * x, \qquad s^2 = w * v^2, \qquad f(x) = \frac{v}{\max(\langle s \rangle, s)}

    The window w is a Gaussian whose deviation is a quarter of its width; it sums to 1 over the neighbourhood and all maps, at the
    border over what is left of it. The mean of s is over the image. A flat image becomes zero.

    Promises: differentiable, also where there is no contrast.
    Shapes:   x (batch, maps, height, width), or (batch, height, width) -> the same.
    Units:    the result has none.
    Errors:   FG321 where a value is no image.
    Source:   Jarrett, Kavukcuoglu, Ranzato & LeCun, ICCV 2009, section 2.1.
    """

    examples: ClassVar[tuple[Mapping[str, Any], ...]] = ({}, {"window": 3})

    type: Literal["contrast_normalise"] = "contrast_normalise"
    window: Count = Field(default=9, description="pixels along a side of a neighbourhood; an odd number")

    @field_validator("window")
    @classmethod
    def _has_a_middle(cls, window: int) -> int:
        if isinstance(window, int) and window % 2 == 0:
            raise ValueError("an odd number, so that a neighbourhood has a middle")
        return window

    def output_shape(self, given: Shape, wanted: Shape | None) -> Shape | None:
        if len(given) not in (2, 3):
            raise ShapeError(f"takes images, [height, width] or [maps, height, width], and is given {list(given)}")
        return given

    def forward(self, x: Tensor, parameters: Parameters) -> Tensor:
        maps = x if x.dim() == 4 else x[:, None]
        v = maps - self._smooth(maps)
        deviation = root(self._smooth(v.square()))
        usual = deviation.mean((-2, -1), keepdim=True)
        least = NOTHING * root(maps.detach().square().mean((1, 2, 3), keepdim=True))
        scale = torch.maximum(torch.maximum(deviation, usual), least)
        return (v / torch.where(scale > 0, scale, 1)).reshape(x.shape)

    def _smooth(self, x: Tensor) -> Tensor:
        """(batch, maps, height, width) -> (batch, 1, height, width): the mean of each neighbourhood."""
        return self._along(x.shape[-2], x) @ x.mean(1, keepdim=True) @ self._along(x.shape[-1], x).T

    def _along(self, side: int, like: Tensor) -> Tensor:
        """The window along one axis: row i of (side, side) weighs the neighbours of pixel i."""
        places = torch.arange(side, dtype=like.dtype, device=like.device)
        apart = places[:, None] - places
        near = apart.abs() <= self.window // 2
        weights = torch.where(near, torch.exp(-8 * (apart / self.window).square()), 0)
        return weights / weights.sum(1, keepdim=True)
