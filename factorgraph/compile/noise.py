"""Noise variables: what is drawn for them, and how likely it was."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from factorgraph.graph.model import Variable
from factorgraph.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

DOMAINS = {"normal": "real", "uniform": "real", "bernoulli": "binary"}  # what each distribution has a density, or chances, of


def draw(variable: Variable, count: int, generator: torch.Generator) -> Tensor:
    """Samples of a noise variable, (count, *shape), on the CPU, so that every device sees the same."""
    kind, low, high = distribution(variable)
    shape = (count, *variable.shape)
    if kind == "uniform":
        return torch.rand(shape, generator=generator) * (high - low) + low
    if kind == "bernoulli":
        return (torch.rand(shape, generator=generator) < 0.5).float()
    return torch.randn(shape, generator=generator)


def log_density(variable: Variable, values: Tensor) -> Tensor:
    """(rows, *shape) -> (rows,): the logarithm of the density, or the chance, of values; minus infinity where there is none."""
    kind, low, high = distribution(variable)
    flat = values.flatten(1)
    if kind == "uniform":
        inside = ((flat >= low) & (flat <= high)).all(1)
        return torch.where(inside, -flat.shape[1] * math.log(high - low), -math.inf).to(values.dtype)
    if kind == "bernoulli":
        return flat.new_full((flat.shape[0],), -flat.shape[1] * math.log(2))
    return -(flat.square() + math.log(2 * math.pi)).sum(1) / 2


def distribution(variable: Variable) -> tuple[str, float, float]:
    return variable.distribution or ("normal", 0.0, 1.0)
