"""How the gradient behind a convolution follows one unit of each example: it changes only around the unit."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from factorgraph.inference.convolved import Convolved
from factorgraph.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

Follow = Callable[["Tensor", "Tensor", "Tensor"], "Tensor"]  # gradient (batch, units), unit and its move (batch, 1) -> gradient


def curvature(convolved: Convolved) -> Tensor:
    """(units,): the Hessian's diagonal, of what the mask leaves of each unit's kernel."""
    squares = torch.nn.functional.conv2d(convolved.framed(convolved.mask), convolved.kernels.transpose(0, 1).square())
    return (convolved.curvature * squares + convolved.own).flatten()


def follower(convolved: Convolved) -> Follow:
    """A move adds to the gradient what the mask leaves of its kernel, correlated with all kernels.

    The correlations of whole kernels are the same everywhere; near the mask's border they are not, so that none is stored.
    """
    maps, rows, columns = convolved.shape
    kernels, mask = convolved.kernels.transpose(0, 1).contiguous(), convolved.framed(convolved.mask)[0]
    side = kernels.shape[-1]
    along = torch.arange(side, device=mask.device)
    around = torch.arange(1 - side, side, device=mask.device)
    first = torch.arange(maps, device=mask.device)[:, None, None] * (rows * columns)

    def follow(gradient: Tensor, unit: Tensor, moved: Tensor) -> Tensor:
        place = unit % (rows * columns)
        row, column = place // columns, place % columns
        seen = mask[:, (row + along)[:, :, None], (column + along)[:, None, :]].transpose(0, 1)
        drawn = kernels[(unit // (rows * columns)).squeeze(1)] * seen * (convolved.curvature * moved)[:, :, None, None]
        change = torch.nn.functional.conv2d(drawn, kernels, padding=side - 1)
        (top, whole_rows), (left, whole_columns) = _inside(row + around, rows), _inside(column + around, columns)
        change = change * (whole_rows[:, :, None] & whole_columns[:, None, :])[:, None]
        where = first + (top[:, :, None] * columns + left[:, None, :])[:, None]
        gradient = gradient.scatter_add_(1, where.flatten(1), change.flatten(1))
        return gradient.scatter_add_(1, unit, convolved.own * moved)

    return follow


def _inside(at: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The nearest places of an axis, and which are there."""
    return at.clamp(0, size - 1), (at >= 0) & (at < size)
