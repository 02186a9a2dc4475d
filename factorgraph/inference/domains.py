"""The values that a variable may take: the nearest of them to a point, and, where they are few, all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING

from factorgraph.inference.problem import Choices
from factorgraph.inference.rows import flat
from factorgraph.lazy import torch
from factorgraph.whole import whole

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.structure import Shape

FINITE = ("binary", "one_hot")
CONTINUOUS = ("real", "nonnegative", "simplex")  # the narrowest last
_HOLD_ZERO = ("real", "nonnegative", "binary")


def project(domain: str, x: Tensor) -> Tensor:
    """(batch, *shape): the nearest values of a domain, in memory of its own; what is no number stays none."""
    nearest = _NEAREST[domain](x)
    return nearest if domain in CONTINUOUS else torch.where(x.isnan(), x, nearest)


def at_zero(domain: str, like: Tensor, shape: Shape) -> Tensor:
    """(batch, *shape): the value of a domain that is nearest to zeros, for as many rows as ``like`` has, in memory of its own."""
    zeros = like.new_zeros(like.shape[0], *shape)
    return zeros if domain in _HOLD_ZERO else project(domain, zeros)


@whole
def simplex(x: Tensor) -> Tensor:
    """(batch, *shape): the nearest nonnegative values that add up to 1 in each row.

    They are max(x - c, 0) with c the largest of (x_1 + ... + x_k - 1) / k, units sorted from the largest.
    Source: Duchi, Shalev-Shwartz, Singer & Chandra, ICML 2008, figure 1.
    """
    units = flat(x)
    units = units - units.amax(1, keepdim=True)  # the answer is the same, and sums of large numbers do not cancel
    ordered = units.sort(dim=1, descending=True).values
    counts = torch.arange(1, units.shape[1] + 1, dtype=x.dtype, device=x.device)
    lowered = ((ordered.cumsum(1) - 1) / counts).amax(1, keepdim=True)
    return (units - lowered).clamp_min(0).reshape(x.shape)


def _one_hot(x: Tensor) -> Tensor:
    units = flat(x)
    return _hot(units.argmax(1), units.shape[1], x.dtype).reshape(x.shape)


def _hot(index: Tensor, size: int, dtype: torch.dtype) -> Tensor:
    return (index[:, None] == torch.arange(size, device=index.device)).to(dtype)


_NEAREST: Mapping[str, Callable[[Tensor], Tensor]] = {
    "real": lambda x: x.clone(),
    "nonnegative": lambda x: x.clamp_min(0),
    "simplex": simplex,
    "binary": lambda x: (x > 0.5).to(x.dtype),
    "one_hot": _one_hot,
}


def count(domain: str, units: int, points: int = 0) -> int:
    """How many values a variable of a finite domain has, or a continuous one with so many ``points`` on each axis."""
    return units if domain == "one_hot" else (2 if domain == "binary" else points) ** units


def choices(parts: Sequence[tuple[str, int]], like: Tensor, width: int, axes: Mapping[str, Tensor] | None = None) -> Choices:
    """Every value of some variables of finite domains side by side, each given by its domain and its units.

    They are counted like the numbers of a clock: the last variable, and the last unit of a binary one, moves fastest. ``axes``:
    of each continuous domain the values, (points,), that each of its units takes.
    """
    levels = {"binary": torch.arange(2, dtype=like.dtype, device=like.device), **(axes or {})}
    counts = [count(domain, units, len(levels.get(domain, ()))) for domain, units in parts]

    def at(numbers: Tensor) -> Tensor:
        found, slower = [like.new_empty(len(numbers), 0)], prod(counts)
        for (domain, units), own in zip(parts, counts, strict=True):
            slower //= own
            digit = numbers // slower % own
            found.append(_hot(digit, units, like.dtype) if domain == "one_hot" else _digits(digit, units, levels[domain]))
        return torch.cat(found, 1)

    return Choices(prod(counts), at, width)


def _digits(number: Tensor, units: int, levels: Tensor) -> Tensor:
    """(n, units): the digits of numbers, each as the level that it counts."""
    places = len(levels) ** torch.arange(units - 1, -1, -1, device=number.device)
    return levels[number[:, None] // places % len(levels)]
