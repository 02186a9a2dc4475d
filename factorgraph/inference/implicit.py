"""How a minimum moves when the energy changes: its linearised conditions of optimality, solved for each row by itself.

At a minimum the units that can move, the active set, have no slope: P g(z, p) = 0. To first order P H P dz = -P dg, so that the
gradient of a loss with the slope v at z is -(dg/dp)' u, where P H P u = P v. Source: Krantz & Parks, The Implicit Function
Theorem, 2002, section 3.3; of sparse codes: Mairal, Bach & Ponce, IEEE Trans. PAMI 34(4), 2012, proposition 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from factorgraph.inference.rows import choose, column, dot, readable
from factorgraph.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

DENSE = 512  # active units up to which matrices are factorised: 2 MiB in double precision a row
AT_ONCE = 2**24  # numbers of such matrices that are held at a time, 128 MiB
CLOSE = 0.75  # power of the precision: the residual, relative to the right-hand side, at which conjugate gradients end
LONGEST = 1000  # steps of conjugate gradients
CHECK_EVERY = 10  # of them: the host looks whether all rows have ended


@dataclass(frozen=True)
class Near:
    """The energy near a minimum, as far as it decides where the minimum goes. ``curve`` holds for the units that can move."""

    code: Tensor  # (batch, units)
    free: Tensor  # (batch, units) bool: the active set
    along: Callable[[Tensor], Tensor]  # (batch, units) -> its part in the directions in which the code can move
    curve: Callable[[Tensor], Tensor]  # (batch, units) -> the Hessian times it
    hessian: Tensor | None = None  # (units, units) or (batch, units, units), where free units move independently and it is all

    def damping(self) -> Tensor:
        """(batch,): the root of the precision times the curvature along the code, |z' H z| / |z|^2."""
        tiny, eps = torch.finfo(self.code.dtype).tiny, torch.finfo(self.code.dtype).eps
        bent: Tensor = dot(self.code, self.along(self.curve(self.code))).abs()
        found: Tensor = eps**0.5 * bent / dot(self.code, self.code).clamp_min(tiny)
        return found


def respond(near: Near, pull: Tensor) -> tuple[Tensor, Tensor]:
    """The u of (P H P + damping) u = P v, (batch, units), for v = ``pull``; and which rows' active units depend, (batch,) bool.

    These have directions that are curved by less than the damping: nothing holds the minimum along them, u has no part there.
    Conjugate gradients, where the active units are too many or no Hessian is formed, know only of such that they meet.
    """
    damping, pull = near.damping(), near.along(pull)
    most = near.free.shape[1]
    if readable(near.free):
        most = int(near.free.sum(1).max()) if len(pull) else 0
    if most == 0:  # nothing can move
        return torch.zeros_like(pull), near.free.any(1)
    if near.hessian is not None and most <= DENSE:
        return _factorised(near.free, near.hessian, pull, damping, most)
    return _conjugate(near, pull, damping)


def _factorised(free: Tensor, hessian: Tensor, pull: Tensor, damping: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """By Cholesky's factors of the part of the Hessian that belongs to each row's active units, ``most`` at most."""
    units = free.to(torch.uint8).sort(dim=1, descending=True, stable=True).indices[:, :most]
    there = free.gather(1, units)
    wanted = torch.where(there, pull.gather(1, units), 0).double()
    answers, dependent = [], []
    size = max(1, AT_ONCE // max(1, most**2))
    for begin in range(0, len(free), size):
        rows = slice(begin, begin + size)
        own = _taken(hessian[rows] if hessian.dim() == 3 else hessian, units[rows]).double()
        within = there[rows, :, None] & there[rows, None, :]
        answer, flat = _solved(torch.where(within, own, 0), there[rows], wanted[rows], damping[rows].double())
        answers.append(answer)
        dependent.append(flat)
    found = torch.cat(answers).to(pull.dtype)
    return torch.zeros_like(pull).scatter(1, units, torch.where(there, found, 0)), torch.cat(dependent)


def _taken(hessian: Tensor, units: Tensor) -> Tensor:
    """(some, most, most): rows and columns of one matrix, or of each its own."""
    if hessian.dim() == 2:
        return hessian[units[:, :, None], units[:, None, :]]
    every = torch.arange(len(units), device=units.device)[:, None, None]
    return hessian[every, units[:, :, None], units[:, None, :]]


def _solved(own: Tensor, there: Tensor, pull: Tensor, damping: Tensor) -> tuple[Tensor, Tensor]:
    """(some, most) and (some,) bool. What is not there has the curvature of what is, and no pull.

    No curvature is below one over the trace of the inverse. Only rows where that tells too little are taken to pieces.
    """
    usual = own.diagonal(dim1=1, dim2=2).amax(1, keepdim=True).clamp_min(torch.finfo(own.dtype).tiny)
    damped = own + torch.diag_embed(torch.where(there, damping[:, None], usual))
    factor, failed = torch.linalg.cholesky_ex(damped)
    root = torch.linalg.solve_triangular(factor, torch.eye(own.shape[1], dtype=own.dtype, device=own.device), upper=False)
    trace = torch.where(there, root.square().sum(1), 0).sum(1)
    flat = (failed > 0) | ~(2 * damping * trace < 1)
    answer = torch.cholesky_solve(pull[:, :, None], factor).squeeze(2)
    if readable(flat) and bool(flat.any()):
        values, vectors = torch.linalg.eigh(damped[flat])
        held = values > 2 * damping[flat, None]
        shares = (pull[flat][:, None] @ vectors).squeeze(1)
        curved = torch.where(held, shares / values, 0)
        answer = answer.masked_scatter(flat[:, None], (vectors @ curved[:, :, None]).squeeze(2))
        flat = flat.masked_scatter(flat, ~held.all(1))
    return answer, flat


def _conjugate(near: Near, pull: Tensor, damping: Tensor) -> tuple[Tensor, Tensor]:
    """By conjugate gradients: products with the Hessian are all that it takes.

    A row ends before a step that is flat, or whose answer u is: u' (P H P + d) u = u' P v, as the residual is orthogonal to it.

    Source: Hestenes & Stiefel, J. Res. Nat. Bur. Standards 49, 1952, section 3.
    """
    answer, residual, direction = torch.zeros_like(pull), pull, pull
    square = dot(residual, residual)
    goal = square * torch.finfo(pull.dtype).eps ** (2 * CLOSE)
    dependent, still = torch.zeros_like(near.free[:, 0]), square > goal
    longest = min(2 * pull.shape[1], LONGEST) if readable(pull) else CHECK_EVERY
    for taken in range(longest):
        if taken % CHECK_EVERY == 0 and readable(still) and not bool(still.any()):
            break
        bent = near.along(near.curve(direction)) + column(damping, direction) * direction
        curvature, length = dot(direction, bent), dot(direction, direction)
        flat = still & ~(curvature > 2 * damping * length)
        step = column(torch.where(still & ~flat, square / torch.where(still & ~flat, curvature, 1), 0), pull)
        reached = answer + step * direction
        flat = flat | still & ~(dot(pull, reached) > 2 * damping * dot(reached, reached))
        dependent, still = dependent | flat, still & ~flat
        answer, residual = choose(still, reached, answer), residual - step * bent
        left = dot(residual, residual)
        direction = residual + column(torch.where(still, left / torch.where(still, square, 1), 0), pull) * direction
        square, still = left, still & (left > goal)
    return answer, dependent
