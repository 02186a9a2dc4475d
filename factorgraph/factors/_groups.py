"""The proximal map of lengths of groups of units."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from factorgraph.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor


def shrink_groups(
    v: Tensor, threshold: Tensor, lengths: Callable[[Tensor], Tensor], spread: Callable[[Tensor], Tensor]
) -> Tensor:
    """argmin_z threshold sum_g |z_g| + |z - v|^2 / 2: each group shorter by the threshold, or 0.

    Magnitudes go before it, and so does keeping units nonnegative: where v is the proximal map of weighted magnitudes, of units
    that may be negative or not, this is the map of both together, because a group that is shortened keeps all its signs.

    ``lengths`` and ``spread``: of a Grouping, (batch, *shape) -> (batch, *groups) and back; ``threshold`` broadcasts to lengths.
    Source: Yuan & Lin, J. R. Stat. Soc. B 68, 2006; after magnitudes: Friedman, Hastie & Tibshirani, arXiv:1001.0736.
    """
    shortest = torch.maximum(lengths(v), threshold).clamp_min(torch.finfo(v.dtype).tiny)  # a gradient is 0 below, not 0 times inf
    return v * spread(1 - threshold / shortest)
