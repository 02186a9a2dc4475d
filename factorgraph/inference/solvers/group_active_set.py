"""Descent along single groups to those that are active, then to the minimum on them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.inference.problem import Groups, Minimum, Problem, Quadratic
from factorgraph.inference.rows import flat
from factorgraph.inference.solvers._kinds import Compiled, State
from factorgraph.inference.solvers._steps import GENTLE
from factorgraph.kernels import group_active_set as kernel
from factorgraph.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

MOVES = 8  # of single groups in a step
SOLVED = 64  # units, the largest, that a step then moves by Newton's method
HALVINGS = 6  # shares of a Newton step that are tried
DAMPING = 1e-4  # of the curvature of each, added to it: units that depend on each other have a step then
SLACK = 1e-4  # of an eigenvalue, which rounding may have made too small

Form = tuple["Quadratic", "Groups", bool]  # and whether units are nonnegative


class GroupActiveSet(Compiled):
    r"""Moves the groups that lower the energy most, one by one, and then all that are active by Newton's method.

    .. math:: z_g \leftarrow \operatorname{prox}_{P_g / L_g}(z_g - \nabla_g f / L_g), \qquad
              z_A \leftarrow z_A - t \, (H_{AA} + \nabla^2 P)^{-1} \nabla_A (f + P), \qquad
              P = \sum_i w_i |z_i| + \sum_g W_g \, |z_g|_2

    with f the squares, H their Hessian, L_g the largest eigenvalue of a group's part of it and A the units that are not zero:
    there the price of groups is smooth. t, at most 1, ends where a unit that pays by itself, or is kept nonnegative, becomes
    zero, or where a group turns around, and is halved until the energy falls. The moves find which groups are active, Newton's
    method makes a tight tolerance cheap.

    A step is such a round: one or two are enough where few groups are active, as a sixth of them, of eight units or fewer. Where
    more are, ``fista`` is several times as fast, so that this solver is taken where it is named. A compiled kernel takes all
    steps for each sample by itself, on as many threads as torch has; where it does not serve, the same is done in torch, slower
    than ``fista``. Both end at the certificate of the tolerance, and not at the same bits.

    Needs:    squares with one Hessian for all samples, at most 1024 units; beside them lengths of groups that share no unit, and
              perhaps a weight on the magnitude of each unit. Compiled, groups of about the same size.
    Shapes:   z (batch, *shape), gradient (batch, units), H (units, units); each row has its own active groups.
    Source:   moves: Qin, Scheinberg & Goldfarb, Efficient block-coordinate descent algorithms for the group lasso, Math. Prog.
              Comp. 5, 2013; active groups: Roth & Fischer, ICML 2008; the price: Yuan & Lin, J. R. Stat. Soc. B 68, 2006, with
              magnitudes beside it Simon, Friedman, Hastie & Tibshirani, J. Comput. Graph. Stat. 22, 2013.
    """

    type: Literal["group_active_set"] = "group_active_set"

    needs: ClassVar[frozenset[str]] = frozenset({"bounded", "convex", "quadratic", "shared", "proximal", "grouped", "gap"})
    uses: ClassVar[frozenset[str]] = frozenset({"proximal"})  # it pays where few groups are active, which no graph tells
    domains: ClassVar[frozenset[str]] = frozenset({"real", "nonnegative"})
    largest: ClassVar[int | None] = 1024
    compiled: ClassVar[str] = kernel.NAME

    def search(self, problem: Problem, steps: int, tolerance: float) -> Minimum | None:
        if not (problem.compiled and problem.squares and problem.start.device.type == "cpu"):
            return None
        quadratic, groups, nonnegative = _form(problem)
        if not bool((groups.least > 0).all()):  # without a gap the residual judges, step by step
            return None
        found = kernel.search(
            quadratic.hessian,
            quadratic.linear,
            quadratic.constant,
            groups.places,
            groups.weight,
            groups.units,
            _curvature(quadratic.hessian, groups),
            flat(problem.start),
            nonnegative,
            steps,
            tolerance,
        )
        if found is None:
            return None
        return Minimum(found.code.view(problem.start.shape), found.status, found.steps, found.certificate)

    def begin(self, problem: Problem) -> State:
        quadratic, _, nonnegative = _form(problem)
        z = problem.start.clamp_min(0) if nonnegative else problem.start.clone(memory_format=torch.contiguous_format)
        return z, quadratic.gradient(flat(z))

    def stepper(self, problem: Problem) -> Callable[[State], State]:
        move, solve, (quadratic, _, _) = _mover(problem), _solver(problem), _form(problem)

        def step(state: State) -> State:
            code, gradient = state
            z = flat(code)
            for _ in range(MOVES):
                z, gradient = move(z, gradient)
            z = solve(z, gradient)
            return z.view(code.shape), quadratic.gradient(z)  # without the rounding of all moves

        return step

    def inverse_step(self, problem: Problem, state: State) -> Tensor:
        assert problem.quadratic is not None, "the trace bounds the curvature"
        return problem.quadratic.hessian.diagonal().sum()


def _form(problem: Problem) -> Form:
    quadratic, rest = problem.quadratic, problem.rest
    assert quadratic is not None and rest is not None and rest.groups is not None, "it needs squares and groups"
    return quadratic, rest.groups, rest.nonnegative


def _curvature(hessian: Tensor, groups: Groups) -> Tensor:
    """(groups,): at least the largest eigenvalue of each group's part; of what is no number, any."""
    padded = torch.nn.functional.pad(torch.nan_to_num(hessian, 0, 0, 0), (0, 1, 0, 1))
    largest: Tensor = torch.linalg.eigvalsh(padded[groups.places[:, :, None], groups.places[:, None, :]])[:, -1]
    return (largest * (1 + SLACK)).clamp_min(GENTLE)


def _mover(problem: Problem) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Moves of each row the group whose move lowers the energy most, as far as its curvature tells."""
    quadratic, groups, nonnegative = _form(problem)
    curvature = _curvature(quadratic.hessian, groups)
    along = torch.nn.functional.pad(quadratic.hessian, (0, 0, 0, 1))  # of places beyond the last of a group, nothing
    weight, units = groups.weight[:, None], groups.of(groups.units[None])
    steep, tiny = curvature[:, None], torch.finfo(problem.start.dtype).tiny

    def move(z: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
        at = groups.of(z)
        v = at * steep - groups.of(gradient)
        v = (v - units).clamp_min(0) if nonnegative else v - torch.clamp(v, -units, units)
        length = torch.linalg.vector_norm(v, dim=2, keepdim=True)
        by = v * ((1 - weight / length.clamp_min(tiny)).clamp_min(0) / steep) - at
        best = (by.square().sum(2) * curvature).argmax(1)
        moved, where = by[torch.arange(len(z), device=z.device), best], groups.places[best]
        gradient = gradient + (moved[:, None, :] @ along[where]).squeeze(1)
        return torch.nn.functional.pad(z, (0, 1)).scatter_add(1, where, moved)[:, :-1], gradient

    return move


def _solver(problem: Problem) -> Callable[[Tensor, Tensor], Tensor]:
    """A Newton step of (batch, units) the code and the gradient, over the largest active units, as far as the energy falls."""
    quadratic, groups, nonnegative = _form(problem)
    hessian = quadratic.hessian
    group_of = groups.at_units(torch.arange(len(groups.places), device=hessian.device))
    width = min(hessian.shape[0], SOLVED)
    damping = hessian.diagonal().clamp_min(GENTLE) * DAMPING
    shares = 0.5 ** torch.arange(HALVINGS, dtype=hessian.dtype, device=hessian.device)
    tiny = torch.finfo(problem.start.dtype).tiny

    def solve(z: Tensor, gradient: Tensor) -> Tensor:
        active = z.abs().topk(width, 1).indices
        at, slope, own, group = z.gather(1, active), gradient.gather(1, active), groups.units[active], group_of[active]
        free = at != 0
        lengths = torch.linalg.vector_norm(groups.of(z), dim=2)
        length = lengths.gather(1, group).clamp_min(tiny)
        outward = groups.weight[group] / length
        both = free[:, :, None] & free[:, None, :]
        same = both & (group[:, :, None] == group[:, None, :])
        plain, unit = hessian[active[:, :, None], active[:, None, :]], at / length
        curved = torch.where(both, plain, 0) - torch.where(same, outward[:, :, None] * unit[:, :, None] * unit[:, None, :], 0)
        curved = curved + torch.diag_embed(torch.where(free, outward + damping[active], 1))
        pull = torch.where(free, -slope - own * at.sign() - outward * at, 0)
        factor, failed = torch.linalg.cholesky_ex(curved)
        wanted = torch.cholesky_solve(pull[:, :, None], factor).squeeze(2)
        wanted = torch.where((failed > 0)[:, None], 0, wanted)

        held = free & ((own > 0) | nonnegative)
        along = (same.to(z.dtype) @ (at * wanted)[:, :, None]).squeeze(2)  # of each unit's group, as far as it is here
        turning = torch.where(free & (length.square() + along <= 0), -length.square() / along, torch.inf)
        crossing = torch.minimum(torch.where(held & (at * (at + wanted) <= 0), -at / wanted, torch.inf), turning)
        far = crossing.amin(1, keepdim=True).clamp_max(1)
        whole = torch.where(crossing <= 1, -at, torch.where(free, wanted, 0))  # all leave that would on its way
        tries = torch.where(free, wanted, 0)[:, None, :] * (far * shares)[:, :, None]
        tries[:, 0] = torch.where(crossing <= far, -at, tries[:, 0])  # the first leaves
        tries = torch.cat([whole[:, None, :], tries], 1)
        fell = _fall(tries, at, slope, plain, own, groups.weight, lengths, group)
        best = fell.argmax(1)
        step = tries[torch.arange(len(z), device=z.device), best] * (fell.amax(1) > 0)[:, None]
        return z.scatter_add(1, active, step)

    return solve


def _fall(
    tries: Tensor,  # (batch, tries, active): by how much units move
    at: Tensor,  # (batch, active), as the next
    slope: Tensor,
    hessian: Tensor,  # (batch, active, active)
    own: Tensor,  # (batch, active): weights of magnitudes
    weight: Tensor,  # (groups,)
    lengths: Tensor,  # (batch, groups)
    group: Tensor,  # (batch, active)
) -> Tensor:
    """(batch, tries): by how much the energy falls with each."""
    before = at[:, None, :]
    squares = (tries * (slope[:, None, :] + (tries @ hessian) / 2)).sum(2)
    magnitudes = (own[:, None, :] * ((before + tries).abs() - before.abs())).sum(2)
    more = torch.zeros(*tries.shape[:2], len(weight), dtype=at.dtype, device=at.device)
    more = more.scatter_add(2, group[:, None, :].expand_as(tries), tries * (2 * before + tries))
    after = (lengths.square()[:, None, :] + more).clamp_min(0).sqrt()
    return -(squares + magnitudes + (weight * (after - lengths[:, None, :])).sum(2))
