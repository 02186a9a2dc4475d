"""The values that a variable may take: the nearest of them to a point, and, where they are few, all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING

from factorgraph.inference.problem import Choices
from factorgraph.inference.rows import flat
from factorgraph.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

FINITE = ("binary", "one_hot")
CONTINUOUS = ("real", "nonnegative", "simplex")  # the narrowest last


def project(domain: str, x: Tensor) -> Tensor:
    """(batch, *shape): the nearest values of a domain, in memory of its own; what is no number stays none."""
    nearest = _NEAREST[domain](x)
    return nearest if domain in CONTINUOUS else torch.where(x.isnan(), x, nearest)


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


def count(domain: str, units: int) -> int:
    """How many values a variable of a finite domain has."""
    return 2**units if domain == "binary" else units


def choices(parts: Sequence[tuple[str, int]], like: Tensor, width: int) -> Choices:
    """Every value of some variables of finite domains side by side, each given by its domain and its units.

    They are counted like the numbers of a clock: the last variable, and the last unit of a binary one, moves fastest.
    """
    counts = [count(*part) for part in parts]

    def at(numbers: Tensor) -> Tensor:
        found, slower = [], prod(counts)
        for (domain, units), own in zip(parts, counts, strict=True):
            slower //= own
            digit = numbers // slower % own
            found.append(_bits(digit, units, like.dtype) if domain == "binary" else _hot(digit, units, like.dtype))
        return torch.cat(found, 1)

    return Choices(prod(counts), at, width)


def _bits(number: Tensor, units: int, dtype: torch.dtype) -> Tensor:
    places = torch.arange(units - 1, -1, -1, device=number.device)
    return (number[:, None] >> places & 1).to(dtype)
