"""Solvers in plain torch, as they stand in a file that leaves: each is written there with what it calls, and with nothing else.

They do what the solvers of the same names do, so slowly that a reader can follow. ``z`` is (batch, units).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from factorgraph.factors.functions._spectrum import eigenvalue_bound
from factorgraph.inference.convolved import quick_side, times, times_adjoint

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


def duality_gap_of_groups(
    z: Tensor, gradient: Tensor, pull: Tensor, smooth: Tensor, places: Tensor, weight: Tensor, units: Tensor
) -> Tensor:
    """(batch,): how far the energy smooth + units.|z| + weight.(lengths of groups) can be above the least one, as a share of it.

    The smooth part is a sum of squares. s scales the residual until no group is pulled by more than its weights bear: Newton's
    method, from above. ``places`` (groups, members): the units of each, beyond its last how many there are.
    """

    def of(x: Tensor) -> Tensor:
        found: Tensor = torch.cat([x, x.new_zeros(len(x), 1)], 1)[:, places]
        return found

    last, pull = len(units), pull.clamp_min(1e-38)
    own = weight.new_empty(last + 1).index_copy(0, places.flatten(), weight.repeat_interleave(places.shape[1]))[:last]
    s = torch.where(own == 0, units / pull, 1).amin(1).clamp_max(1)
    limit, bare, long = torch.where(weight > 0, weight, torch.inf), of(units[None]), of(pull)
    for _ in range(2):
        over = (s[:, None, None] * long - bare).clamp_min(0)
        length = over.norm(dim=2)
        steep = (over * long).sum(2) / length.clamp_min(1e-38)
        s = torch.minimum(s, (s[:, None] - (length - limit) / steep.clamp_min(1e-38)).amin(1))
    length = (s[:, None, None] * long - bare).clamp_min(0).norm(dim=2)
    s = s * (limit / length.clamp_min(1e-38)).amin(1).clamp_max(1)
    paid = (units * z.abs()).sum(1) + (weight * of(z).norm(dim=2)).sum(1)
    gap = (1 - s).square() * smooth + s * (z * gradient).sum(1) + paid
    share: Tensor = gap.clamp_min(0) / (smooth + paid).clamp_min(1e-38)
    return share


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


def price_of_distance(diagonal: Tensor) -> Tensor:
    """(): what two halves of an energy pay for being apart, 0.6 of a typical curvature of the quadratic one."""
    return 0.6 * diagonal.clamp_min(1e-6).sqrt().mean().square()


def admm(
    start: Tensor,
    hessian: Tensor,
    linear: Tensor,
    price: Tensor,
    settle: Step,
    certificate: Certificate,
    steps: int,
    tolerance: float,
) -> Tensor:
    """The quadratic half z' H z / 2 + b' z and the rest by themselves, in turn; u is what has been paid for their distance."""
    inverse = torch.linalg.inv(hessian.double() + price.double() * torch.eye(len(hessian), dtype=torch.float64))
    pull, drive = (price * inverse).to(start.dtype), (-linear.double() @ inverse).to(start.dtype)

    def step(z: Tensor, u: Tensor) -> State:
        x = (z - u) @ pull + drive
        reached = u + 1.6 * x - 0.6 * z
        z = settle(reached)
        return z, reached - z

    return until_sure(step, (start, torch.zeros_like(start)), lambda z, u: certificate(z), steps, tolerance)


def admm_of_maps(
    start: Tensor,
    maps: tuple[int, int, int],
    drawing: tuple[Tensor, int],
    target: Tensor,
    seen: Tensor,
    curvature: float,
    own: float,
    linear: Tensor,
    price: Tensor,
    settle: Step,
    certificate: Certificate,
    steps: int,
    tolerance: float,
) -> Tensor:
    """The minimum of c |seen (D z - target)|^2 / 2 + own |z|^2 / 2 + linear.z and the rest: both by themselves, in turn.

    D draws a kernel for each unit of ``maps``. ``drawing``: kernels (colours, maps, side, side), and how much of what they draw
    is cut off in front. All is on a torus, on which nothing wraps around: there D is a product at each frequency. The picture
    has a copy of its own, at the price c; u and v are what has been paid for the distances of maps and of pictures.
    """
    kernels, cut = drawing
    rows, columns = maps[1:]
    reach = kernels.shape[-1] - 1
    sides = (quick_side(rows + reach), quick_side(columns + reach))

    def placed(x: Tensor, shape: tuple[int, ...], low: int) -> Tensor:
        bottom, right = sides[0] - low - shape[-2], sides[1] - low - shape[-1]
        return functional.pad(x.reshape(len(x), *shape), (low, right, low, bottom))

    spectrum = torch.fft.rfft2(kernels, sides)
    power = torch.stack([times(spectrum, row.conj()[None])[0] for row in spectrum], 1)
    system = power + torch.eye(len(power), dtype=start.dtype)[:, :, None, None] * ((price + own) / curvature)
    inverse = torch.linalg.inv(system.permute(2, 3, 0, 1)).permute(2, 3, 0, 1)
    shown = (len(kernels), *target.shape[-2:])
    wanted, half, pull = placed(target, shown, cut), placed(seen, shown, cut) / 2, placed(linear, maps, 0)

    def step(z: Tensor, u: Tensor, picture: Tensor, v: Tensor) -> State:
        held = placed(z, maps, 0)
        near = torch.fft.rfft2((price * (held - u) - pull) / (price + own), sides)
        drawn = times(spectrum, near)
        lacking = times(inverse, torch.fft.rfft2(picture - v, sides) - drawn)
        u = u + 1.6 * torch.fft.irfft2(near + times_adjoint(spectrum, lacking), sides) - 0.6 * held
        v = v + 1.6 * torch.fft.irfft2(drawn + times(power, lacking), sides) - 0.6 * picture
        z, picture = settle(u[..., :rows, :columns].flatten(1)), torch.lerp(v, wanted, half)
        return z, u - placed(z, maps, 0), picture, v - picture

    held = placed(start, maps, 0)
    picture = torch.fft.irfft2(times(spectrum, torch.fft.rfft2(held, sides)), sides)
    state = (start, torch.zeros_like(held), picture, torch.zeros_like(picture))
    return until_sure(step, state, lambda z, *_: certificate(z), steps, tolerance)


def explained(gradient: Step, offset: Tensor, z: Tensor, copy: Tensor, coupling: float) -> Tensor:
    """The minimum over z of the quadratic half and coupling |z - copy|^2 / 2, by four conjugate gradients; offset is b."""
    tiny = torch.finfo(z.dtype).tiny
    lacking = coupling * (copy - z) - gradient(z)
    direction, square = lacking, lacking.square().sum(1, keepdim=True)
    for _ in range(4):
        bent = gradient(direction) - offset + coupling * direction
        least = coupling * direction.square().sum(1, keepdim=True)  # curvature there is at least so much: rounding may hide it
        length = square / torch.maximum((direction * bent).sum(1, keepdim=True), least).clamp_min(tiny)
        z, lacking = z + length * direction, lacking - length * bent
        before, square = square, lacking.square().sum(1, keepdim=True)
        direction = lacking + square / before.clamp_min(tiny) * direction
    return z


def half_quadratic(
    start: Tensor,
    gradient: Step,
    shrink: Callable[[Tensor, Tensor], Tensor],
    coupled: tuple[float, float, float, int],
    certificate: Certificate,
    steps: int,
    tolerance: float,
) -> Tensor:
    """A code z that explains and a copy x that is sparse, ``coupled`` ever more: at first, by which factor, at last, how long."""
    offset, (first, factor, last, turns) = gradient(torch.zeros_like(start)), coupled

    def step(x: Tensor, z: Tensor, ahead: Tensor, count: Tensor) -> State:
        turn, coupling = int(count) % turns, min(first * factor ** (int(count) // turns), last)
        z = explained(gradient, offset, z, ahead, coupling)
        before, x = x, shrink(z, torch.tensor(coupling, dtype=z.dtype))
        weight = turn / (turn + 3) if turn + 1 < turns else 0.0
        return x, z, x + weight * (x - before), count + 1

    return until_sure(step, (start, start, start, torch.zeros(())), lambda x, *_: certificate(x), steps, tolerance)


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
