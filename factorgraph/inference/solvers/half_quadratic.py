"""A code and its sparse copy, held together ever tighter."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from factorgraph.inference.problem import Problem
from factorgraph.inference.rows import column, dot
from factorgraph.inference.solvers._kinds import Iterative, State
from factorgraph.inference.solvers._steps import backward, step_length
from factorgraph.lazy import torch
from factorgraph.spec.constants import Count, Positive

if TYPE_CHECKING:
    from torch import Tensor

CONJUGATE = 4  # steps of conjugate gradients: the code begins where it was, and the copy has moved little


class HalfQuadratic(Iterative):
    r"""Alternates between a code that explains and a copy of it that is sparse, and couples the two ever more tightly.

    .. math:: x \leftarrow \operatorname{prox}_{E/\beta}(z), \qquad (H + \beta) z = \beta \hat x - b, \qquad
              \hat x = x + \tfrac{j}{j + 3} (x - x_{\text{before}})

    A step is both: a proximal step on the quadratic part's envelope, which momentum quickens. The coupling stays for ``turns``
    steps, of which j are done, and grows by ``factor``; at ``last`` it stays for good, which takes 240 steps as it is set. The
    paper's is ``turns: 1``, which has no momentum. The z equation is solved by conjugate gradients from the last z, so that the
    Hessian need not be formed. The code is x.

    It is an approximation: where the last coupling's steps end, the copy's energy is above the minimum by at most the squared
    length of the quadratic part's slope over twice that coupling. Steps that are too few at each coupling leave more.

    Needs:    a quadratic, convex smooth part with one Hessian for all examples; a rest with a proximal map.
    Shapes:   x and z (batch, *shape).
    Source:   Zeiler, Krishnan, Taylor & Fergus, CVPR 2010, section 3.1; Geman & Yang, IEEE Trans. Image Processing 4(7), 1995.
    """

    type: Literal["half_quadratic"] = "half_quadratic"
    first: Positive = Field(default=1.0, description="the coupling of the first steps")
    factor: Positive = Field(default=6.0, description="by which it grows")
    last: Positive = Field(default=1e5, description="the coupling beyond which it does not grow")
    turns: Count = Field(default=30, description="steps at each coupling")

    needs: ClassVar[frozenset[str]] = frozenset({"differentiable", "bounded", "convex", "quadratic", "shared", "proximal"})
    uses: ClassVar[frozenset[str]] = frozenset()
    domains: ClassVar[frozenset[str]] = frozenset({"real", "nonnegative"})
    approximates: ClassVar[bool] = True

    def begin(self, problem: Problem) -> State:
        x = problem.start.clone(memory_format=torch.contiguous_format)
        return x, x.clone(), x.clone(), torch.zeros(len(x), dtype=torch.int64, device=x.device)

    def stepper(self, problem: Problem) -> Callable[[State], State]:
        prox, slope = backward(problem), problem.gradient(torch.zeros_like(problem.start))

        def step(state: State) -> State:
            x, z, ahead, count = state  # ahead is where momentum carries x
            turn, level = count % self.turns, torch.div(count, self.turns, rounding_mode="floor")
            coupling = (self.first * self.factor ** level.to(x.dtype)).clamp_max(self.last)
            z = _explained(problem, slope, z, ahead, column(coupling, z))
            before, x = x, prox(z, column(1 / coupling, z))
            weight = (turn / (turn + 3)).to(x.dtype) * (turn + 1 < self.turns)
            return x, z, torch.addcmul(x, x - before, column(weight, x)), count + 1

        return step

    def inverse_step(self, problem: Problem, state: State) -> Tensor:
        return 1 / step_length(problem)


def _explained(problem: Problem, slope: Tensor, z: Tensor, copy: Tensor, coupling: Tensor) -> Tensor:
    """The minimum over z of the quadratic part and of the distance to the copy, by conjugate gradients."""
    lacking = coupling * (copy - z) - problem.gradient(z)
    direction, square = lacking, dot(lacking, lacking)
    for _ in range(CONJUGATE):
        bent = problem.gradient(direction) - slope + coupling * direction
        least = coupling.reshape(len(z)) * dot(direction, direction)  # curvature there is at least so much: rounding may hide it
        curvature = torch.maximum(dot(direction, bent), least).clamp_min(torch.finfo(z.dtype).tiny)
        length = column(square / curvature, z)
        z, lacking = z + length * direction, lacking - length * bent
        before, square = square, dot(lacking, lacking)
        direction = lacking + column(square / before.clamp_min(torch.finfo(z.dtype).tiny), z) * direction
    return z
