"""Linear least squares in closed form."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.inference.problem import Problem
from factorgraph.inference.rows import choose, finite, readable
from factorgraph.inference.solvers._kinds import Direct, Summing
from factorgraph.lazy import torch
from factorgraph.structure import Structure

if TYPE_CHECKING:
    from torch import Tensor

NOISE = 4.0  # times sqrt(units) and the precision of the Hessian: eigenvalues below are rounding


TILT = 1e-3  # of a slope: what lies along directions without curvature is no rounding, and the energy falls forever
APART = 128  # units where each row has a Hessian of its own: 64 KiB of float32 a row
AT_ONCE = 2**24  # numbers of such Hessians that are held in double precision, 128 MiB


class Exact(Direct, Summing):
    r"""Solves for the minimum of a quadratic energy; of many minima it takes the one nearest to zero.

    .. math:: z = -H^{+} b, \qquad E(z) = z' H z / 2 + b' z + c

    In double precision: by Cholesky's factors, or, where H is singular, by its eigenvectors. A sample whose energy falls forever,
    as by a linear term along a direction without curvature, has no code that is a number. To sum a block out, it takes what has a
    closed form: the integral of a Gaussian, or units of few values whose energy is linear in them.

    Needs:    quadratic and convex terms, and nothing else; at most 4096 units, or 128 where samples have Hessians of their own,
              as where an observed value multiplies the variable.
    Shapes:   z (batch, *shape), H (units, units) or (batch, units, units), b (batch, units).
    Source:   Golub & Van Loan, Matrix Computations, sections 4.2 and 5.5.
    """

    type: Literal["exact"] = "exact"

    needs: ClassVar[frozenset[str]] = frozenset({"differentiable", "convex", "quadratic", "plain"})
    uses: ClassVar[frozenset[str]] = frozenset({"differentiable", "bounded", "convex", "quadratic", "shared", "plain"})
    largest: ClassVar[int | None] = 4096

    @classmethod
    def too_large(cls, structure: Structure) -> str:
        if structure.shared or structure.size <= APART:
            return super().too_large(structure)
        return f"at most {APART} units where each sample has a Hessian of its own; the block has {structure.size}"

    def minimise(self, problem: Problem) -> Tensor:
        quadratic = problem.quadratic
        assert quadratic is not None, "the exact solver needs the quadratic form"
        linear, hessian = quadratic.linear, quadratic.hessian
        tilt = torch.inf if problem.squares else TILT  # squares have a minimum, however their slopes are rounded
        if not quadratic.apart:
            z = _minimum(hessian[None], linear[None], tilt)[0]
        else:
            size = max(1, AT_ONCE // hessian[0].numel())
            pieces = zip(torch.split(hessian, size), torch.split(linear, size), strict=True)
            z = torch.cat([_minimum(h, b[:, None], tilt)[:, 0] for h, b in pieces])
        return z.to(problem.start.dtype).view(problem.start.shape)


def _minimum(given: Tensor, linear: Tensor, tilt: float) -> Tensor:
    """(some, units, units) and (some, rows, units) -> (some, rows, units): the minima of the rows that have one Hessian."""
    identity = torch.eye(given.shape[-1], dtype=torch.float64, device=given.device)
    whole = finite(given)
    sound = torch.isfinite(linear.sum(2)) & whole[:, None]
    hessian = choose(whole, given.double(), identity)
    pull = torch.where(sound[:, :, None], -linear.double(), 0)
    noise = NOISE * given.shape[-1] ** 0.5 * torch.finfo(given.dtype).eps
    return torch.where(sound[:, :, None], _solution(hessian, pull, noise, tilt), torch.nan)


def _solution(hessian: Tensor, pull: Tensor, noise: float, tilt: float) -> Tensor:
    """(some, rows, units): of ``H z = pull`` with the smallest norm."""
    factor, failed = torch.linalg.cholesky_ex(hessian)
    pivots = factor.diagonal(dim1=1, dim2=2).square()
    singular = (failed > 0) | (pivots.amin(1) <= noise * pivots.amax(1))
    solution = torch.cholesky_solve(pull.mT, factor).mT
    if readable(singular) and bool(singular.any()):
        solution = solution.masked_scatter(singular[:, None, None], _nearest(hessian[singular], pull[singular], noise, tilt))
    return solution


def _nearest(hessian: Tensor, pull: Tensor, noise: float, tilt: float) -> Tensor:
    """As :func:`_solution`, by eigenvectors: along those without curvature nothing moves; no number where there is no minimum."""
    values, vectors = torch.linalg.eigh(hessian)
    curved = (values > noise * values[:, -1:])[:, None]
    along = pull @ vectors
    lost = torch.linalg.vector_norm(along.masked_fill(curved, 0), dim=2, keepdim=True)
    nearest: Tensor = torch.where(curved, along / values[:, None], 0) @ vectors.mT
    return torch.where(lost > tilt * torch.linalg.vector_norm(pull, dim=2, keepdim=True), torch.nan, nearest)
