"""A quasi-Newton method that remembers a few steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.inference.problem import Problem
from factorgraph.inference.rows import choose, column, dot, flat, norm
from factorgraph.inference.solvers._kinds import Recordable, State
from factorgraph.inference.solvers._steps import GENTLE, STEEP, measured_curvature, slack
from factorgraph.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

MEMORY = 10  # steps that are remembered: Nocedal & Wright, Numerical Optimization, section 7.2, say 3 to 20
ENOUGH = 1e-4  # of the descent that the gradient promises: the same book, equation 3.4
SHORTEST, LONGEST = 0.1, 0.5  # times a step that was refused


class Lbfgs(Recordable):
    r"""Descends by quasi-Newton steps: each example's curvature is learned from its own last ten steps.

    .. math:: z_{k+1} = z_k - a_k H_k \nabla f(z_k), \qquad
              H_{k+1} = (1 - \rho s y') H_k (1 - \rho y s') + \rho s s', \quad \rho = \frac{1}{y.s}, \;
              s = z_{k+1} - z_k, \; y = \nabla f(z_{k+1}) - \nabla f(z_k)

    H is never formed: the remembered pairs (s, y) give its product with the gradient. A step that does not lower the energy by
    1e-4 of what the gradient promises is refused and shortened, to the minimum of the parabola through what was seen; it counts
    as a step. A pair along which the energy bends down is not remembered, and the next step is twice as long.

    Needs:    smooth terms with a gradient, and nothing else; at most 16384 units. Not convex: a stationary point.
    Shapes:   z (batch, *shape); each row remembers 20 codes of its own.
    Source:   Liu & Nocedal, Math. Programming 45, 1989, algorithm 2.1; as triangular systems: Byrd, Nocedal & Schnabel, Math.
              Programming 63, 1994, theorem 2.2; which pairs: Li & Fukushima, SIAM J. Optim. 11, 2001; steps that energies are
              too coarse to judge: Hager & Zhang, SIAM J. Optim. 16, 2005, equation 4.1.
    """

    type: Literal["lbfgs"] = "lbfgs"

    needs: ClassVar[frozenset[str]] = frozenset({"differentiable", "plain"})
    uses: ClassVar[frozenset[str]] = frozenset({"differentiable", "bounded", "plain"})
    largest: ClassVar[int | None] = 16384
    codes: ClassVar[int] = 2 * MEMORY + 2

    def begin(self, problem: Problem) -> State:
        z = problem.start.clone(memory_format=torch.contiguous_format)
        gradient = problem.gradient(z)
        if problem.bound is None:
            curvature = measured_curvature(problem, z, gradient)
        else:
            curvature = problem.bound.clamp_min(GENTLE).expand(len(z)).clone()
        pairs = z.new_zeros(2, len(z), MEMORY, flat(z).shape[1])
        return z, problem.smooth(z), gradient, curvature, torch.ones_like(curvature), pairs[0], pairs[1]

    def stepper(self, problem: Problem) -> Callable[[State], State]:
        def step(state: State) -> State:
            z, energy, gradient, curvature, length, moves, bends = state
            direction = _direction(gradient, curvature, moves, bends)
            trial = z + column(length, z) * direction
            there, slope = problem.smooth(trial), problem.gradient(trial)
            downhill, then = dot(direction, gradient), dot(direction, slope)
            level = (there <= energy + slack(energy)) & (then <= (2 * ENOUGH - 1) * downhill)  # too close for energies to tell
            fine = level | (there <= energy + ENOUGH * length * downhill)  # false for what is not finite
            moved, bent = (trial - z).detach(), (slope - gradient).detach()
            along = dot(moved, bent)
            kept = fine & (along > torch.finfo(z.dtype).eps ** 0.5 * norm(moved) * norm(bent))
            return (
                choose(fine, trial, z),
                torch.where(fine, there, energy),
                choose(fine, slope, gradient),
                torch.where(kept, (dot(bent, bent) / along).clamp(GENTLE, STEEP), curvature),
                torch.where(kept, 1.0, length * torch.where(fine, 2.0, _shortened(energy, there, length * downhill).detach())),
                _remembered(kept, moves, flat(moved)),
                _remembered(kept, bends, flat(bent)),
            )

        return step

    def inverse_step(self, problem: Problem, state: State) -> Tensor:
        return state[3]


def _direction(gradient: Tensor, curvature: Tensor, moves: Tensor, bends: Tensor) -> Tensor:
    """(batch, *shape): minus H times the gradient, downhill.

    The two loops over pairs that the papers write, from the newest to the oldest and back, are two triangular systems in the
    products R_ij = s_i.y_j, i <= j. A pair that is not there is zeros.
    """
    products = (moves @ bends.mT).triu()
    own = products.diagonal(dim1=1, dim2=2)
    triangle = products + torch.diag_embed((own == 0).to(own.dtype))
    q = -flat(gradient)[:, :, None]
    shares = torch.linalg.solve_triangular(triangle, moves @ q, upper=True)
    q = (q - bends.mT @ shares) / curvature[:, None, None]
    shares = torch.linalg.solve_triangular(triangle.mT, own[:, :, None] * shares - bends @ q, upper=False)
    direction = (q + moves.mT @ shares).view(gradient.shape)
    return choose(dot(direction, gradient) < 0, direction, -gradient / column(curvature, gradient))


def _shortened(energy: Tensor, there: Tensor, promised: Tensor) -> Tensor:
    """(batch,): what to multiply a refused step by."""
    parabola = -promised / (2 * (there - energy - promised))
    return torch.where(torch.isfinite(there), parabola.clamp(SHORTEST, LONGEST), SHORTEST)


def _remembered(kept: Tensor, memory: Tensor, newest: Tensor) -> Tensor:
    """(batch, MEMORY, ...): the oldest gives way, in the rows that have something to remember."""
    return choose(kept, torch.cat([memory[:, 1:], newest[:, None]], 1), memory)
