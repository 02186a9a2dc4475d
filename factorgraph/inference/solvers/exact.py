"""Linear least squares in closed form."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.inference.problem import Problem
from factorgraph.inference.rows import choose, finite, readable
from factorgraph.inference.solvers._kinds import Direct
from factorgraph.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

NOISE = 4.0  # times sqrt(units) and the precision of the Hessian: eigenvalues below are rounding


class Exact(Direct):
    r"""Solves for the minimum of a quadratic energy; of many minima it takes the one nearest to zero.

    .. math:: z = -H^{+} b, \qquad E(z) = z' H z / 2 + b' z + c

    In double precision: by Cholesky's factors, or, where H is singular, by its eigenvectors.

    Needs:    quadratic and convex terms with one Hessian for all examples, and nothing else; at most 4096 units.
    Shapes:   z (batch, *shape), H (units, units), b (batch, units).
    Source:   Golub & Van Loan, Matrix Computations, sections 4.2 and 5.5.
    """

    type: Literal["exact"] = "exact"

    needs: ClassVar[frozenset[str]] = frozenset({"differentiable", "convex", "quadratic", "plain"})
    uses: ClassVar[frozenset[str]] = frozenset({"differentiable", "bounded", "convex", "quadratic", "plain"})
    largest: ClassVar[int | None] = 4096

    def minimise(self, problem: Problem) -> Tensor:
        assert problem.quadratic is not None, "the exact solver needs the quadratic form"
        given, linear = problem.quadratic.hessian, problem.quadratic.linear
        identity = torch.eye(len(given), dtype=torch.float64, device=given.device)
        sound = finite(linear) & torch.isfinite(given).all()
        hessian = torch.where(torch.isfinite(given).all(), given.double(), identity)
        pull = choose(sound, -linear.double(), torch.zeros_like(linear, dtype=torch.float64))
        noise = NOISE * len(given) ** 0.5 * torch.finfo(given.dtype).eps
        z = choose(sound, _solution(hessian, pull, noise), torch.full_like(pull, torch.nan))
        return z.to(problem.start.dtype).view(problem.start.shape)


def _solution(hessian: Tensor, pull: Tensor, noise: float) -> Tensor:
    """(batch, units): of ``H z = pull`` with the smallest norm."""
    factor, failed = torch.linalg.cholesky_ex(hessian)
    pivots = factor.diagonal().square()
    singular = (failed > 0) | (pivots.amin() <= noise * pivots.amax())
    if readable(singular) and bool(singular):
        values, vectors = torch.linalg.eigh(hessian)
        inverse = torch.where(values > noise * values[-1], 1 / values, 0)
        nearest: Tensor = (pull @ vectors * inverse) @ vectors.T
        return nearest
    return torch.cholesky_solve(pull.T, factor).T
