"""Small words for tensors whose first axis counts examples."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from factorgraph.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor


def flat(x: Tensor) -> Tensor:
    """(batch, *shape) -> (batch, units); *shape* may be ()."""
    return x if x.dim() == 2 else x.reshape(x.shape[0], math.prod(x.shape[1:]))


def resting(x: Tensor) -> Tensor:
    """The same without a gradient; where it has none, no operator is spent."""
    return x.detach() if x.requires_grad else x


def dot(a: Tensor, b: Tensor) -> Tensor:
    """(batch, *shape) twice -> (batch,): the inner product, row by row."""
    return (flat(a) * flat(b)).sum(1)


def norm(x: Tensor) -> Tensor:
    """(batch, *shape) -> (batch,): the Euclidean norm, row by row."""
    length: Tensor = torch.linalg.vector_norm(flat(x), dim=1)
    return length


def finite(x: Tensor) -> Tensor:
    """(batch, *shape) -> (batch,) bool: whether the sum of a row is finite, so all of it is; cheaper than asking each unit."""
    return torch.isfinite(flat(x).sum(1))


def column(values: Tensor, like: Tensor) -> Tensor:
    """(batch,) -> (batch, 1, ...) so that it broadcasts against ``like``, (batch, *shape)."""
    return values.reshape(-1, *[1] * (like.dim() - 1))


def choose(mask: Tensor, yes: Tensor, no: Tensor) -> Tensor:
    """Rows of ``yes`` where ``mask`` (batch,) holds, rows of ``no`` elsewhere."""
    return torch.where(column(mask, yes), yes, no)


def readable(x: Tensor) -> bool:
    """Whether the host may look at values: tensors on ``meta`` have a shape only."""
    return x.device.type != "meta"
