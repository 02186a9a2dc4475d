"""Solvers in plain torch, as they stand in a file that leaves: each is written there with what it calls, and with nothing else.

They do what the solvers of the same names do, so slowly that a reader can follow. ``z`` is (batch, units).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn import functional

from factorgraph.factors.functions._spectrum import eigenvalue_bound

__all__ = ["eigenvalue_bound"]  # one that stands elsewhere

Energy = Callable[..., Tensor]
Step = Callable[[Tensor], Tensor]
Certificate = Callable[[Tensor], Tensor]
State = tuple[Tensor, ...]


def slope(energy: Energy, z: Tensor, *still: Tensor) -> Tensor:
    """The gradient of an energy, (batch,), by z; other values stand still."""
    with torch.enable_grad():
        point = z.detach().requires_grad_()
        return torch.autograd.grad(energy(point, *still).sum(), point)[0]


def quadratic_form(energy: Energy, start: Tensor, *still: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """H (units, units), b (batch, units) and c (batch,) of an energy z' H z / 2 + b' z + c; H is the same for all samples."""
    unit = torch.eye(start.shape[1], dtype=start.dtype)
    blank = [each.new_zeros(len(unit), *each.shape[1:]) for each in still]
    hessian = slope(energy, unit, *blank) - slope(energy, torch.zeros_like(unit), *blank)
    zero = torch.zeros_like(start)
    return (hessian + hessian.T) / 2, slope(energy, zero, *still), energy(zero, *still)


def until_sure(step: Callable[..., State], state: State, certificate: Certificate, steps: int, tolerance: float) -> Tensor:
    """Step until each sample's certificate is below the tolerance: looked at every 10 steps; what is sure stays as it is."""
    found, still = state[0], torch.ones(len(state[0]), 1, dtype=torch.bool)
    for taken in range(1, steps + 1):
        state = step(*state)
        if taken % 10 == 0 or taken == steps:
            found = torch.where(still, state[0], found)
            still = still & ~(certificate(found) < tolerance)[:, None]
            if not still.any():
                break
    return found


def duality_gap(z: Tensor, gradient: Tensor, smooth: Tensor, weight: Tensor) -> Tensor:
    """(batch,): how far the energy smooth + weight.|z| can be above the least one, as a share of it.

    The smooth part is a sum of squares. s scales the residual until no unit pulls at it by more than its weight.
    """
    s = (weight / gradient.abs().clamp_min(1e-38)).amin(1).clamp_max(1)
    paid = (weight * z.abs()).sum(1)
    gap = (1 - s).square() * smooth + s * (z * gradient).sum(1) + paid
    return gap.clamp_min(0) / (smooth + paid).clamp_min(1e-38)


def duality_gap_nonnegative(z: Tensor, gradient: Tensor, smooth: Tensor, weight: Tensor) -> Tensor:
    """(batch,): how far the energy smooth + weight.z, z >= 0, can be above the least one, as a share of it.

    The smooth part is a sum of squares. s scales the residual until no unit pulls at it by more than its weight.
    """
    s = (weight / (-gradient).clamp_min(1e-38)).amin(1).clamp_max(1)
    paid = (weight * z).sum(1)
    gap = (1 - s).square() * smooth + s * (z * gradient).sum(1) + paid
    return gap.clamp_min(0) / (smooth + paid).clamp_min(1e-38)


def residual(z: Tensor, moved: Tensor) -> Tensor:
    """(batch,): how far one more step moves z, as a share of its norm."""
    return (moved - z).square().sum(1).sqrt() / z.square().sum(1).sqrt().clamp_min(1e-6)


def ista(start: Tensor, descend: Step, shrink: Step, certificate: Certificate, steps: int, tolerance: float) -> Tensor:
    """Proximal gradient: down the smooth part, then the shrinkage of the rest."""

    def step(z: Tensor) -> State:
        return (shrink(descend(z)),)

    return until_sure(step, (start,), certificate, steps, tolerance)


def fista(start: Tensor, descend: Step, shrink: Step, certificate: Certificate, steps: int, tolerance: float) -> Tensor:
    """Proximal gradient from a point y that momentum reaches; a sample whose momentum carries uphill begins anew, with t = 1."""

    def step(before: Tensor, y: Tensor, t: Tensor) -> State:
        z = shrink(descend(y))
        uphill = ((y - z) * (z - before)).sum(1, keepdim=True) > 0
        t = torch.where(uphill, 1, t)
        following = (1 + (1 + 4 * t.square()).sqrt()) / 2
        return z, z + (t - 1) / following * (z - before), following

    return until_sure(step, (start, start, start.new_ones(len(start), 1)), certificate, steps, tolerance)


def fista_without_restart(
    start: Tensor, descend: Step, shrink: Step, certificate: Certificate, steps: int, tolerance: float
) -> Tensor:
    """Proximal gradient from a point y that momentum reaches."""

    def step(before: Tensor, y: Tensor, t: Tensor) -> State:
        z = shrink(descend(y))
        following = (1 + (1 + 4 * t.square()).sqrt()) / 2
        return z, z + (t - 1) / following * (z - before), following

    return until_sure(step, (start, start, start.new_ones(len(start), 1)), certificate, steps, tolerance)


def coordinate_descent(
    start: Tensor, hessian: Tensor, linear: Tensor, least: Step, certificate: Certificate, steps: int, tolerance: float
) -> Tensor:
    """Move one unit of each sample to where it costs least, the one that gains most: a step changes z H + b by one row of H."""
    curvature = hessian.diagonal().clamp_min(1e-6)

    def step(z: Tensor, gradient: Tensor) -> State:
        moves = least(z - gradient / curvature) - z
        unit = (moves * curvature.sqrt()).abs().argmax(1, keepdim=True)
        moved = moves.gather(1, unit)
        return z.scatter_add(1, unit, moved), gradient + moved * hessian[unit[:, 0]]

    return until_sure(step, (start, start @ hessian + linear), certificate, steps, tolerance)


def exact(hessian: Tensor, linear: Tensor) -> Tensor:
    """The minimum of z' H z / 2 + b' z, in double precision; of many the one nearest to zero."""
    values, vectors = torch.linalg.eigh(hessian.double())
    curved = values > 4 * len(values) ** 0.5 * torch.finfo(hessian.dtype).eps * values[-1]
    along: Tensor = torch.where(curved, -linear.double() @ vectors / values, 0)
    found: Tensor = along @ vectors.T
    return found.to(linear.dtype)


def nearest(hessian: Tensor, linear: Tensor) -> Tensor:
    """Of all one-hot z the one where z' H z / 2 + b' z is least: every choice is tried."""
    return functional.one_hot((hessian.diagonal() / 2 + linear).argmin(1), len(hessian)).to(linear.dtype)


def unrolled_ista(start: Tensor, drive: Tensor, inhibition: Tensor, shrink: Step, steps: int) -> Tensor:
    """Some steps of ISTA as layers: each shrinks what drives the units, plus what they do to each other."""
    z = start
    for _ in range(steps):
        z = shrink(drive + z @ inhibition.T)
    return z


def unrolled_fista(start: Tensor, drive: Tensor, inhibition: Tensor, shrink: Step, steps: int) -> Tensor:
    """The same with momentum, which a sample drops when it carries uphill."""
    z = y = start
    t = start.new_ones(len(start), 1)
    for _ in range(steps):
        before, z = z, shrink(drive + y @ inhibition.T)
        t = torch.where(((y - z) * (z - before)).sum(1, keepdim=True) > 0, 1, t)
        following = (1 + (1 + 4 * t.square()).sqrt()) / 2
        y = z + (t - 1) / following * (z - before)
        t = following
    return z


def unrolled_coordinate_descent(
    start: Tensor, drive: Tensor, inhibition: Tensor, shrink: Step, lengths: Tensor, steps: int
) -> Tensor:
    """Each layer moves one unit of each sample, the one that gains most; the last shrinks all of them."""
    z, reached = start, drive + start @ inhibition.T
    for _ in range(steps):
        moves = shrink(reached) - z
        unit = (moves.detach().square() / lengths).argmax(1, keepdim=True)
        moved = moves.gather(1, unit)
        z = z.scatter_add(1, unit, moved)
        reached = reached + moved * inhibition.T[unit[:, 0]]
    return shrink(reached)


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
