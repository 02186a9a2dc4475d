"""What phases of learning call, in plain torch, as it stands in a file that leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from factorgraph.factors.functions._spectrum import eigenvalue_bound


def imitated(right: Tensor, students: list[Tensor]) -> Tensor:
    """Half the squared distance of each student's code from the one that is right, mean over samples, summed over students."""
    return sum((0.5 * (right.detach() - each).flatten(1).square().sum(1).mean() for each in students), torch.zeros(()))


def batches(count: int, size: int, steps: int) -> Iterator[Tensor]:
    """The rows of each step: all are seen once before one is seen again."""
    order = torch.empty(0, dtype=torch.int64)
    for _ in range(steps):
        while len(order) < size:
            order = torch.cat([order, torch.randperm(count)])
        yield order[:size]
        order = order[size:]


def largest(run: Callable[..., Tensor], *given: Tensor) -> Tensor:
    """The largest of what is found for any sample, a thousand samples at a time."""
    parts = [run(*(each[first : first + 1000] for each in given)).amax() for first in range(0, len(given[0]), 1000)]
    return torch.stack(parts).amax()


def least_squares(matrix: Tensor, gradient: Tensor, gram: Tensor) -> Tensor:
    """The matrix W at the minimum of an energy whose gradient is W G - P, from that; what no input uses stays as it is."""
    scale = gram.diagonal().sqrt()
    scale = torch.where(scale > 0, scale, 1)
    values, vectors = torch.linalg.eigh(gram / scale / scale[:, None])
    used = values > torch.finfo(matrix.dtype).eps * len(gram) * values[-1]
    inverse = torch.where(used, 1 / torch.where(used, values, 1), 0)
    change: Tensor = ((gradient.double() / scale) @ vectors * inverse) @ vectors.T / scale
    return matrix - change.to(matrix.dtype)


def directions(gram: Tensor, count: int) -> Tensor:
    """The leading eigenvectors of a second moment, one a row, the largest entry of each positive."""
    rows: Tensor = torch.linalg.eigh(gram)[1][:, -count:].flip(1).T
    largest = rows.gather(1, rows.abs().argmax(1, keepdim=True))
    return rows * torch.where(largest < 0, -1.0, 1.0)


def moved_columns(matrix: Tensor, gram: Tensor, products: Tensor, least: float, largest: float) -> Tensor:
    """Each column moved once to the minimum of tr W G W' / 2 - tr W P', the others as they are by then, and onto its norm.

    A column of a convolution is all that one map writes: its step is over a bound of the curvature there.
    """
    moved, places, tiny = matrix.double().flatten(1), matrix[0, 0].numel(), torch.finfo(torch.float64).tiny
    for first in range(0, len(gram), places):
        block = slice(first, first + places)
        own = gram[block, block]
        bound = (own[0, 0] if places == 1 else eigenvalue_bound(own)).clamp_min(tiny)
        column = moved[:, block] - (moved @ gram[block].T - products[:, block]) / bound
        norm = column.norm()
        moved[:, block] = column * (norm.clamp(least, largest) / norm.clamp_min(tiny))
    return moved.reshape(matrix.shape).to(matrix.dtype)


def random_signs(residual: Tensor) -> Tensor:
    """1 or -1, by chance."""
    return torch.randint(0, 2, residual.shape).to(residual) * 2 - 1


def curvatures(residuals: list[Tensor], parameters: list[Tensor], draws: int) -> list[Tensor]:
    """How much the mean of half the squares of ``residuals``, (batch, ...) each, is curved along each parameter, about.

    The gradient of their sum with random signs has a square that is, on average, the sum of the squares of each one's own.
    """
    found = [torch.zeros_like(each) for each in parameters]
    for _ in range(draws):
        total = sum(((random_signs(each) * each).sum() for each in residuals), torch.zeros(()))
        slopes = torch.autograd.grad(total, parameters, retain_graph=True, materialize_grads=True)
        found = [each + slope.square() / (len(residuals[0]) * draws) for each, slope in zip(found, slopes, strict=True)]
    return found
