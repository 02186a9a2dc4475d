"""Proximal gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.inference.problem import Problem
from factorgraph.inference.rows import choose, column, dot
from factorgraph.inference.solvers._kinds import Recordable, State
from factorgraph.inference.solvers._steps import GENTLE, backward, forward, measured_curvature, slack, step_length
from factorgraph.inference.solvers._unrolled import Layer, Unrollable
from factorgraph.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

GROWTH = 1.5  # of an example's curvature when a step is refused; Kavukcuoglu's value


class Ista(Unrollable, Recordable):
    r"""Descends by proximal steps: as long as the bound of the curvature allows, or found by backtracking where none is known.

    .. math:: z_{k+1} = \operatorname{prox}_{E/L}(z_k - \nabla f(z_k) / L)

    Backtracking: a step is refused, and L grows for this example, unless f(z') <= f(z) + g.(z' - z) + L |z' - z|^2 / 2. A refused
    step counts as a step; L never falls within a solve.

    Needs:    smooth terms with a gradient; a rest with a proximal map, or none. Not convex: a stationary point.
    Shapes:   z (batch, *shape); each row has its own L.
    Source:   Daubechies, Defrise & De Mol, Comm. Pure Appl. Math. 57, 2004; backtracking: Beck & Teboulle, 2009, section 3.
    """

    type: Literal["ista"] = "ista"

    needs: ClassVar[frozenset[str]] = frozenset({"differentiable", "settled"})
    uses: ClassVar[frozenset[str]] = frozenset({"bounded", "proximal"})
    domains: ClassVar[frozenset[str]] = frozenset({"real", "nonnegative", "simplex"})
    codes: ClassVar[int] = 2

    def begin(self, problem: Problem) -> State:
        z = problem.start.clone(memory_format=torch.contiguous_format)
        if problem.bound is not None:
            return (z,)
        gradient = problem.gradient(z)
        return z, problem.smooth(z), gradient, measured_curvature(problem, z, gradient)

    def stepper(self, problem: Problem) -> Callable[[State], State]:
        return _backtracking(problem) if problem.bound is None else _fixed(problem)

    def inverse_step(self, problem: Problem, state: State) -> Tensor:
        return state[3] if problem.bound is None else 1 / step_length(problem)

    def lengths(self, hessian: Tensor, bound: Tensor) -> Tensor:
        return 1 / bound.clamp_min(GENTLE)

    def unroll(self, start: Tensor, layers: Sequence[Layer]) -> Tensor:
        z = start
        for layer in layers:
            z = layer.shrink(layer.reach(z))
        return z


def _fixed(problem: Problem) -> Callable[[State], State]:
    length = step_length(problem)
    descend, prox = forward(problem, length), backward(problem)
    return lambda state: (prox(descend(state[0]), length),)


def _backtracking(problem: Problem) -> Callable[[State], State]:
    prox = backward(problem)

    def step(state: State) -> State:
        z, energy, gradient, curvature = state
        length = column(1 / curvature, z)
        trial = prox(z - length * gradient, length)
        there, moved = problem.smooth(trial), trial - z
        allowed = energy + dot(gradient, moved) + curvature * dot(moved, moved) / 2 + slack(energy)
        fine = there <= allowed  # false for what is not finite
        return (
            choose(fine, trial, z),
            torch.where(fine, there, energy),
            choose(fine, problem.gradient(trial), gradient),
            torch.where(fine, curvature, GROWTH * curvature),
        )

    return step
