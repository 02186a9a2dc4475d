"""Descent along one variable at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from factorgraph.inference.problem import Problem
from factorgraph.inference.rows import choose, finite, flat
from factorgraph.inference.solvers._kinds import Direct, Iterative, State
from factorgraph.inference.solvers._steps import slack
from factorgraph.lazy import torch
from factorgraph.spec.constants import Count
from factorgraph.structure import Solver

if TYPE_CHECKING:
    from torch import Tensor


class BlockCoordinate(Iterative):
    r"""Minimises over one variable after another, each by the solver that suits it best, the others held, in sweeps.

    .. math:: z_b \leftarrow \operatorname{argmin}_{z_b} E(z_1, \dots, z_b, \dots, z_n), \qquad b = 1, \dots, n, 1, \dots

    The planner picks each variable's solver as if the others were observed; all slots of a variable are one, or, where none takes
    them together, each is one by itself. A step is a sweep over all variables, in which a solver that goes step by step takes
    ``inner`` steps from where the variable is, and one that computes its minimum does so. What would raise an example's energy is
    not taken: it never rises from sweep to sweep.

    It ends where no variable by itself lowers the energy. That is the minimum where the energy is convex and its non-smooth terms
    tie no variables together; otherwise one of several such points, which depends on the start. A product of two variables does
    not move from zero at all. The certificate is the duality gap of all variables together where there is one, else the worst of
    the variables' own.

    Needs:    several variables, each with a solver for when the others stand still; nothing of all of them together.
    Shapes:   z (batch, units), all variables side by side.
    Source:   Tseng, J. Optim. Theory Appl. 109(3), 2001, theorem 4.1; inexact: Xu & Yin, SIAM J. Imaging Sci. 6(3), 2013.
    """

    type: Literal["block_coordinate"] = "block_coordinate"
    inner: Count = Field(default=10, description="steps of each variable's solver in a sweep, where it goes step by step")

    needs: ClassVar[frozenset[str]] = frozenset({"divisible"})
    uses: ClassVar[frozenset[str]] = frozenset()
    domains: ClassVar[frozenset[str]] = frozenset({"real", "nonnegative", "simplex", "binary", "one_hot", "finite", "mixed"})
    divides: ClassVar[bool] = True

    def begin(self, problem: Problem) -> State:
        return (problem.start.clone(memory_format=torch.contiguous_format),)

    def stepper(self, problem: Problem) -> Callable[[State], State]:
        def sweep(state: State) -> State:
            (z,) = state
            for part in problem.parts:
                z = part.put(z, _lowered(part.solver, part.problem(z), self.inner))
            return (z,)

        return sweep

    def inverse_step(self, problem: Problem, state: State) -> Tensor:
        return torch.ones_like(state[0][:, 0])  # no step of all variables is taken, and its certificate asks for none


def _lowered(solver: Solver, problem: Problem, steps: int) -> Tensor:
    """(batch, *shape): where a solver leads from a problem's start; in each row the last of its codes that is no higher.

    A step with momentum may end higher than it began; the first one of a solve has none.
    """
    if isinstance(solver, Direct):
        z = solver.minimise(problem)
        return choose(finite(z), z, problem.start)
    assert isinstance(solver, Iterative), f"the solver {solver.type} is neither direct nor iterative"
    rise, most = _rise(problem), slack(problem.energy(problem.start))
    state, step = solver.begin(problem), solver.stepper(problem)
    state = step(state)
    first = choose(rise(state[0]) <= most, state[0], problem.start)  # false for what is not finite
    for _ in range(steps - 1):
        state = step(state)
    return choose(rise(state[0]) <= most, state[0], first)


def _rise(problem: Problem) -> Callable[[Tensor], Tensor]:
    """(batch,): how much higher than at the start the energy is; of a quadratic without the large terms that cancel."""
    start, rest = problem.start, problem.rest
    smooth = _smooth_rise(problem)
    if rest is None:
        return smooth
    paid = rest.value(start)
    return lambda z: smooth(z) + (rest.value(z) - paid)


def _smooth_rise(problem: Problem) -> Callable[[Tensor], Tensor]:
    start, form = problem.start, problem.quadratic
    if form is None:
        before = problem.smooth(start)
        return lambda z: problem.smooth(z) - before
    slope = form.gradient(flat(start))
    return lambda z: (flat(z - start) * (form.gradient(flat(z)) + slope)).sum(1) / 2
