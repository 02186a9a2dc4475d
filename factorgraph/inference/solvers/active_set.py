"""Descent along single units to the support, then to the minimum on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.inference.problem import Minimum, Problem
from factorgraph.inference.rows import flat
from factorgraph.inference.solvers._kinds import Compiled, State
from factorgraph.inference.solvers._steps import GENTLE
from factorgraph.inference.solvers._units import mover
from factorgraph.kernels import active_set as kernel
from factorgraph.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

MOVES = 16  # of single units in a step
SOLVED = 32  # units, the largest, that a step then solves for: 4 KiB of float32 a row
DAMPING = 1e-4  # of the curvature of each, added to it: among units that depend on each other one leaves


class ActiveSet(Compiled):
    r"""Moves the units that lower the energy most, one by one, and then all that are active to their minimum at once.

    .. math:: z_k \leftarrow \operatorname{shrink}(z_k - g_k / h_{kk}, \; w_k / h_{kk}), \qquad
              z_A \leftarrow z_A - t H_{AA}^{-1} (g_A + w_A \operatorname{sign} z_A)

    with g = H z + b the gradient of the squares, w the weights of magnitudes and A the units that are not zero. t, at most 1,
    ends where the first of them becomes zero and leaves. The moves find which units are active, the solves make a tight
    tolerance cheap: once the support is right, what is left of the gap is rounding.

    A step is such a round: a few are enough where codes are sparse. A compiled kernel takes all steps for each sample by itself,
    on as many threads as torch has; where it does not serve, the same is done in torch, slower than ``fista`` on dense codes.
    Both end at the certificate of the tolerance, and not at the same bits.

    Needs:    squares with one Hessian for all samples, at most 1024 units; beside them a weight on the magnitude of each.
    Shapes:   z (batch, *shape), g (batch, units), H (units, units); each row has its own support.
    Source:   moves: Li & Osher, Inverse Problems Imaging 3(3), 2009; solves: Lee, Battle, Raina & Ng, Efficient sparse coding
              algorithms, NIPS 2006, section 3.
    """

    type: Literal["active_set"] = "active_set"

    needs: ClassVar[frozenset[str]] = frozenset({"bounded", "convex", "quadratic", "shared", "proximal", "magnitudes", "gap"})
    uses: ClassVar[frozenset[str]] = frozenset({"differentiable", "bounded", "convex", "proximal", "gap"})
    domains: ClassVar[frozenset[str]] = frozenset({"real", "nonnegative"})
    largest: ClassVar[int | None] = 1024
    compiled: ClassVar[str] = kernel.NAME

    def search(self, problem: Problem, steps: int, tolerance: float) -> Minimum | None:
        if not (problem.compiled and problem.squares and problem.start.device.type == "cpu"):
            return None
        quadratic, rest = problem.quadratic, problem.rest
        assert quadratic is not None and rest is not None and rest.l1 is not None, "it needs squares and magnitudes"
        weight = rest.l1.expand(problem.start.shape[1:])
        if not bool((weight > 0).all()):  # without a gap the residual judges, step by step
            return None
        found = kernel.search(
            quadratic.hessian,
            quadratic.linear,
            quadratic.constant,
            weight.reshape(-1),
            flat(problem.start),
            rest.nonnegative,
            steps,
            tolerance,
        )
        if found is None:
            return None
        return Minimum(found.code.view(problem.start.shape), found.status, found.steps, found.certificate)

    def begin(self, problem: Problem) -> State:
        z = problem.start.clone(memory_format=torch.contiguous_format)
        assert problem.quadratic is not None, "units move along columns of the Hessian"
        return z, problem.quadratic.gradient(flat(z))

    def stepper(self, problem: Problem) -> Callable[[State], State]:
        move, _ = mover(problem)
        solve = _solver(problem)

        def step(state: State) -> State:
            code, gradient = state
            z = flat(code)
            for _ in range(MOVES):
                z, gradient = move(z, gradient, None)
            z, gradient = solve(z, gradient)
            return z.view(code.shape), gradient

        return step

    def inverse_step(self, problem: Problem, state: State) -> Tensor:
        assert problem.quadratic is not None, "the trace bounds the curvature"
        return problem.quadratic.hessian.diagonal().sum()


def _solver(problem: Problem) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Takes (batch, units) the code and the gradient to the minimum over the largest active units, as far as signs hold."""
    quadratic, rest = problem.quadratic, problem.rest
    assert quadratic is not None and rest is not None and rest.l1 is not None, "it needs squares and magnitudes"
    hessian = quadratic.hessian
    weight = flat(rest.l1.expand_as(problem.start))
    width = min(hessian.shape[0], SOLVED)
    damping = torch.diag_embed(hessian.diagonal().clamp_min(GENTLE) * DAMPING)
    damped = hessian + damping

    def solve(z: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
        active = z.abs().topk(width, 1).indices
        at = z.gather(1, active)
        free = at != 0
        both = free[:, :, None] & free[:, None, :]
        curved = torch.where(both, damped[active[:, :, None], active[:, None, :]], 0)
        curved = curved + torch.diag_embed((~free).to(z.dtype))
        pull = torch.where(free, -gradient.gather(1, active) - weight.gather(1, active) * at.sign(), 0)
        factor, failed = torch.linalg.cholesky_ex(curved)
        wanted = torch.cholesky_solve(pull[:, :, None], factor).squeeze(2)
        wanted = torch.where((failed > 0)[:, None], 0, wanted)
        crossing = free & (at * (at + wanted) <= 0)
        share = torch.where(crossing, -at / wanted, 1).amin(1, keepdim=True).clamp_max(1)
        leaving = crossing & (-at / wanted <= share)
        to = torch.where(leaving, 0, torch.addcmul(at, wanted, share))
        moved = torch.zeros_like(z).scatter_(1, active, to - at)
        return z.scatter(1, active, to), torch.addmm(gradient, moved, hessian)

    return solve
