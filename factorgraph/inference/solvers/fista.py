"""Accelerated proximal gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from factorgraph.inference.problem import Problem
from factorgraph.inference.rows import column, flat
from factorgraph.inference.solvers._kinds import Recordable, State
from factorgraph.inference.solvers._steps import GENTLE, backward, forward, reusable, step_length
from factorgraph.inference.solvers._unrolled import Layer, Unrollable
from factorgraph.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

LONGEST = 1000  # steps of momentum without a restart that are told apart; it has reached 0.997 by then


class Fista(Unrollable, Recordable):
    r"""Descends by proximal steps of fixed length with momentum, which each example drops when it carries uphill.

    .. math:: z_k = \operatorname{prox}_{E/L}(y_k - \nabla f(y_k) / L), \quad
              y_{k+1} = z_k + \tfrac{t_k - 1}{t_{k+1}} (z_k - z_{k-1}), \quad t_{k+1} = \tfrac{1 + \sqrt{1 + 4 t_k^2}}{2}

    An example restarts, t = 1, when (y - z_k).(z_k - z_{k-1}) > 0: the gradient test, which needs no energies.

    Needs:    smooth terms with a Lipschitz bound, convex; a rest with a proximal map, or none.
    Shapes:   z (batch, *shape); each row has its own momentum.
    Source:   Beck & Teboulle, SIAM J. Imaging Sci. 2(1), 2009; restart: O'Donoghue & Candes, Found. Comput. Math. 15, 2015.
    """

    type: Literal["fista"] = "fista"
    restart: bool = Field(default=True, description="drops an example's momentum when it carries uphill")

    needs: ClassVar[frozenset[str]] = frozenset({"differentiable", "bounded", "convex", "settled"})
    uses: ClassVar[frozenset[str]] = frozenset({"differentiable", "bounded", "convex", "proximal", "plain"})
    domains: ClassVar[frozenset[str]] = frozenset({"real", "nonnegative", "simplex"})
    codes: ClassVar[int] = 2
    leaps: ClassVar[str] = "momentum"

    def begin(self, problem: Problem) -> State:
        z = problem.start.clone(memory_format=torch.contiguous_format)
        return z, z.clone(), torch.zeros(len(z), dtype=torch.int64, device=z.device)

    def stepper(self, problem: Problem) -> Callable[[State], State]:
        length = step_length(problem)
        descend, prox = forward(problem, length), backward(problem)
        momenta = torch.tensor(_momenta(), dtype=problem.start.dtype, device=problem.start.device)

        def step(state: State) -> State:
            before, y, age = state  # y is the point that momentum reaches, age its steps since the last restart
            z = prox(descend(y), length)
            moved = z - before
            if self.restart:
                ahead = torch.sub(y, z, out=reusable(y))
                uphill = flat(torch.mul(ahead, moved, out=reusable(ahead))).sum(1) > 0
                age = age.masked_fill(uphill, 0)
            momentum = column(momenta.index_select(0, age), z)
            return z, torch.addcmul(z, moved, momentum, out=reusable(y)), (age + 1).clamp_max_(LONGEST - 1)

        return step

    def inverse_step(self, problem: Problem, state: State) -> Tensor:
        return 1 / step_length(problem)

    def lengths(self, hessian: Tensor, bound: Tensor) -> Tensor:
        return 1 / bound.clamp_min(GENTLE)

    def unroll(self, start: Tensor, layers: Sequence[Layer]) -> Tensor:
        momenta = torch.tensor(_momenta(), dtype=start.dtype, device=start.device)
        z = y = start
        age = torch.zeros(start.shape[0], dtype=torch.int64, device=start.device)  # len would fix an export's batch
        for layer in layers:
            before, z = z, layer.shrink(layer.reach(y))
            moved = z - before
            if self.restart:
                age = age.masked_fill(((y - z) * moved).sum(1) > 0, 0)
            y = torch.addcmul(z, moved, column(momenta.index_select(0, age), z))
            age = (age + 1).clamp_max(LONGEST - 1)
        return z


@cache
def _momenta() -> tuple[float, ...]:
    """(t_k - 1) / t_{k+1} by the number of steps since t was 1."""
    found, t = [], 1.0
    for _ in range(LONGEST):
        following = (1 + (1 + 4 * t * t) ** 0.5) / 2
        found.append((t - 1) / following)
        t = following
    return tuple(found)
