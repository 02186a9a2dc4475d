"""Gradient descent with a line search."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.inference.problem import Problem
from factorgraph.inference.rows import choose, column, dot
from factorgraph.inference.solvers._kinds import Recordable, State
from factorgraph.inference.solvers._steps import GENTLE, STEEP, measured_curvature, slack
from factorgraph.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

ENOUGH = 1e-4  # of the descent that the gradient promises: Nocedal & Wright, Numerical Optimization, equation 3.4
REFUSED = 0.5  # times the step, when it gave less


class Gradient(Recordable):
    r"""Follows the gradient downhill, each example with a step of its own that fits the curvature it last met.

    .. math:: z_{k+1} = z_k - a_k \nabla f(z_k), \qquad
              a_k = \frac{s.s}{s.y}, \; s = z_k - z_{k-1}, \; y = \nabla f(z_k) - \nabla f(z_{k-1})

    A step that does not lower the energy by 1e-4 a |g|^2 is refused and halved; it counts as a step.

    Needs:    smooth terms with a gradient, and nothing else. Not convex: a stationary point.
    Shapes:   z (batch, *shape); each row has its own step.
    Source:   Barzilai & Borwein, IMA J. Numer. Anal. 8, 1988, equation 5; Armijo, Pacific J. Math. 16, 1966.
    """

    type: Literal["gradient"] = "gradient"

    needs: ClassVar[frozenset[str]] = frozenset({"differentiable", "plain"})
    uses: ClassVar[frozenset[str]] = frozenset({"bounded", "plain"})
    codes: ClassVar[int] = 2

    def begin(self, problem: Problem) -> State:
        z = problem.start.clone(memory_format=torch.contiguous_format)
        gradient = problem.gradient(z)
        if problem.bound is None:
            curvature = measured_curvature(problem, z, gradient)
        else:
            curvature = problem.bound.clamp_min(GENTLE).expand(len(z)).clone()
        return z, problem.smooth(z), gradient, curvature, 1 / curvature

    def stepper(self, problem: Problem) -> Callable[[State], State]:
        def step(state: State) -> State:
            z, energy, gradient, curvature, length = state
            trial = z - column(length, z) * gradient
            there, slope = problem.smooth(trial), problem.gradient(trial)
            fine = there <= energy - ENOUGH * length * dot(gradient, gradient) + slack(energy)  # false for what is not finite
            moved, bent = trial - z, slope - gradient
            met = (dot(moved, bent) / dot(moved, moved).clamp_min(torch.finfo(z.dtype).tiny)).detach()
            met = torch.where(fine & (met > 0), met.clamp(GENTLE, STEEP), curvature)  # where it bends down, keep the last
            return (
                choose(fine, trial, z),
                torch.where(fine, there, energy),
                choose(fine, slope, gradient),
                met,
                torch.where(fine, 1 / met, REFUSED * length),
            )

        return step

    def inverse_step(self, problem: Problem, state: State) -> Tensor:
        return state[3]  # the curvature met, not the step: a step that was refused often is short far from any minimum
