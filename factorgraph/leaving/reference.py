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


def until_sure(
    step: Callable[..., State], state: State, certificate: Callable[..., Tensor], steps: int, tolerance: float
) -> Tensor:
    """Step until each sample's certificate is below the tolerance: looked at every 10 steps; what is sure stays as it is."""
    found, still = state[0], torch.ones(len(state[0]), 1, dtype=torch.bool)
    for taken in range(1, steps + 1):
        state = step(*state)
        if taken % 10 == 0 or taken == steps:
            found = torch.where(still, state[0], found)
            still = still & ~(certificate(*state) < tolerance)[:, None]
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
    far: Tensor = (moved - z).norm(dim=1) / z.norm(dim=1).clamp_min(1e-6)
    return far


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

    state = (start, start, start.new_ones(len(start), 1))
    return until_sure(step, state, lambda z, y, t: certificate(z), steps, tolerance)


def fista_without_restart(
    start: Tensor, descend: Step, shrink: Step, certificate: Certificate, steps: int, tolerance: float
) -> Tensor:
    """Proximal gradient from a point y that momentum reaches."""

    def step(before: Tensor, y: Tensor, t: Tensor) -> State:
        z = shrink(descend(y))
        following = (1 + (1 + 4 * t.square()).sqrt()) / 2
        return z, z + (t - 1) / following * (z - before), following

    state = (start, start, start.new_ones(len(start), 1))
    return until_sure(step, state, lambda z, y, t: certificate(z), steps, tolerance)


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

    return until_sure(step, (start, start @ hessian + linear), lambda z, gradient: certificate(z), steps, tolerance)


def measured_curvature(gradient: Step, z: Tensor, along: Tensor) -> Tensor:
    """(batch, 1): how much the gradient changes along itself, from a probe of a hundredth of the code's norm."""
    size, steepness = z.norm(dim=1, keepdim=True), along.norm(dim=1, keepdim=True).clamp_min(1e-38)
    probe = 0.01 * torch.where(size > 0, size, 1)
    change: Tensor = (gradient(z - probe / steepness * along) - along).norm(dim=1, keepdim=True)
    return (change / probe).clamp(1e-6, 1e12)


def quasi_newton(gradient: Tensor, curvature: Tensor, moves: Tensor, bends: Tensor) -> Tensor:
    """(batch, units): downhill, by what the last moves s (batch, memory, units) did to the gradient, their bends y.

    The loops of L-BFGS over pairs, from the newest to the oldest and back, are two triangular systems in s_i.y_j, i <= j.
    """
    products = (moves @ bends.mT).triu()
    own = products.diagonal(dim1=1, dim2=2)
    triangle = products + torch.diag_embed((own == 0).to(own.dtype))  # a pair that is not there is zeros
    q = -gradient[:, :, None]
    shares = torch.linalg.solve_triangular(triangle, moves @ q, upper=True)
    q = (q - bends.mT @ shares) / curvature[:, :, None]
    shares = torch.linalg.solve_triangular(triangle.mT, own[:, :, None] * shares - bends @ q, upper=False)
    direction = (q + moves.mT @ shares)[:, :, 0]
    return torch.where((direction * gradient).sum(1, keepdim=True) < 0, direction, -gradient / curvature)


def lbfgs(start: Tensor, energy: Energy, gradient: Step, steps: int, tolerance: float) -> Tensor:
    """Quasi-Newton steps from the last ten moves. A step that descends too little is refused, and the next one shorter.

    Each sample stops when one more step along its gradient would move it by less than the tolerance, as a share of its norm.
    """

    def step(z: Tensor, value: Tensor, slope: Tensor, curvature: Tensor, length: Tensor, moves: Tensor, bends: Tensor) -> State:
        direction = quasi_newton(slope, curvature, moves, bends)
        trial = z + length * direction
        there, then = energy(trial)[:, None], gradient(trial)
        downhill, after = (direction * slope).sum(1, keepdim=True), (direction * then).sum(1, keepdim=True)
        rounding = 10 * torch.finfo(z.dtype).eps * value.abs()
        level = (there <= value + rounding) & (after <= (2e-4 - 1) * downhill)  # too close for energies to tell
        fine = level | (there <= value + 1e-4 * length * downhill)
        moved, bent = trial - z, then - slope
        along = (moved * bent).sum(1, keepdim=True)
        sizes = moved.norm(dim=1, keepdim=True) * bent.norm(dim=1, keepdim=True)
        kept = fine & (along > torch.finfo(z.dtype).eps ** 0.5 * sizes)  # where the energy bends up
        promised = length * downhill
        shorter = (-promised / (2 * (there - value - promised))).clamp(0.1, 0.5)  # the minimum of a parabola
        shorter = torch.where(there.isfinite(), shorter, 0.1)
        return (
            torch.where(fine, trial, z),
            torch.where(fine, there, value),
            torch.where(fine, then, slope),
            torch.where(kept, (bent.square().sum(1, keepdim=True) / along).clamp(1e-6, 1e12), curvature),
            torch.where(kept, 1.0, length * torch.where(fine, 2.0, shorter)),
            torch.where(kept[:, :, None], torch.cat([moves[:, 1:], moved[:, None]], 1), moves),
            torch.where(kept[:, :, None], torch.cat([bends[:, 1:], bent[:, None]], 1), bends),
        )

    def certificate(z: Tensor, value: Tensor, slope: Tensor, curvature: Tensor, *_: Tensor) -> Tensor:
        return residual(z, z - slope / curvature)

    slope, none = gradient(start), start.new_zeros(len(start), 10, start.shape[1])
    curvature = measured_curvature(gradient, start, slope)
    state = (start, energy(start)[:, None], slope, curvature, torch.ones_like(curvature), none, none)
    return until_sure(step, state, certificate, steps, tolerance)


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
