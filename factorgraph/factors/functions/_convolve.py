"""Kernels on the last two axes: how many lie along a side, what they read and what they write."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from factorgraph.lazy import torch
from factorgraph.structure import Shape

if TYPE_CHECKING:
    from torch import Tensor

Padding = Literal["same", "valid", "full"]
Side = Callable[[int], int | None]


def borders(kernel: int, padding: Padding | int) -> tuple[int, int]:
    """What is added before and after an axis."""
    if isinstance(padding, int):
        return padding, padding
    around = {"valid": 0, "same": kernel - 1, "full": 2 * (kernel - 1)}[padding]
    return around // 2, around - around // 2


def side_rules(kernel: int, stride: int, padding: Padding | int) -> tuple[Side, Side]:
    """The number of kernels along a side, by its length, and the length by the number; ``None`` where it is none above 0."""
    lost = 0 if padding == "same" else kernel - stride - sum(borders(kernel, padding))  # same: as many kernels as strides

    def forward(size: int) -> int | None:
        rest = size - lost
        return rest // stride if rest > 0 and rest % stride == 0 and size > 0 else None

    def back(count: int) -> int | None:
        size = count * stride + lost
        return size if size > 0 and count > 0 else None

    return forward, back


def fitting(rule: Side, size: int, reach: int) -> str:
    """The two lengths nearest to a side's that a rule takes, in words."""
    found = [near for off in range(1, size + reach) for near in (size - off, size + off) if rule(near)][:2]
    return ", ".join(map(str, sorted(found)))


def as_maps(shape: Shape) -> Shape | None:
    """A shape as (maps, height, width), an image without colours as one map; ``None`` where it is neither."""
    return (1, *shape) if len(shape) == 2 else shape if len(shape) == 3 else None


def convolved(x: Tensor, matrix: Tensor, bias: Tensor | None, stride: int, padding: Padding | int) -> Tensor:
    """The cross-correlation of x (batch, inputs, rows, columns) with a matrix (outputs, inputs, kernel, kernel)."""
    low, high = borders(matrix.shape[-1], padding)
    if low != high:
        x = torch.nn.functional.pad(x, (low, high, low, high))
        low = 0
    return torch.nn.functional.conv2d(x, matrix, bias, stride, low)


def unfolded(x: Tensor, kernel: int, stride: int, padding: Padding | int) -> Tensor:
    """What a kernel sees at each place: x (batch, inputs, rows, columns) -> (batch, places, inputs * kernel * kernel)."""
    low, high = borders(kernel, padding)
    x = torch.nn.functional.pad(x, (low, high, low, high))
    return torch.nn.functional.unfold(x, kernel, stride=stride).transpose(1, 2)


def spread(y: Tensor, matrix: Tensor, bias: Tensor | None, stride: int, padding: Padding | int, sides: tuple[int, ...]) -> Tensor:
    """Its adjoint: y (batch, outputs, rows, columns) -> (batch, inputs, *sides), to which a bias is added."""
    kernel = matrix.shape[-1]
    low, _ = borders(kernel, padding)
    reached = [(count - 1) * stride - 2 * low + kernel for count in y.shape[2:]]
    missing = [max(0, side - each) for side, each in zip(sides, reached, strict=True)]
    x = torch.nn.functional.conv_transpose2d(y, matrix, bias, stride, low, missing)
    return x[..., : sides[0], : sides[1]]
