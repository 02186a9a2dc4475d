"""How factors add up: over units, never over examples."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from factorgraph.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor


def per_example(x: Tensor) -> Tensor:
    """(batch, *shape) -> (batch,): the sum over *shape*, which may be ()."""
    return flat(x).sum(1)


def flat(x: Tensor) -> Tensor:
    """(batch, *shape) -> (batch, units), for a batch of none and a shape of () too; where it has it, no operator is spent."""
    return x if x.dim() == 2 else x.reshape(x.shape[0], math.prod(x.shape[1:]))


def alike(*arguments: Tensor) -> tuple[Tensor, ...]:
    """Arguments of one shape: a number, (), stands for equal units. Where they have it, no operator is spent."""
    if len({each.shape for each in arguments}) == 1:
        return arguments
    return tuple(torch.broadcast_tensors(*arguments))  # type: ignore[no-untyped-call]
