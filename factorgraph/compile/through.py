"""How learning sees through a search: by its steps, taken once more on the way back, or by what holds at its end."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from factorgraph.compile.plan import ProcedurePlan
from factorgraph.compile.problems import Block, Share, gradient_of
from factorgraph.compile.program import Assignment, Tensors
from factorgraph.errors import Issue, issue
from factorgraph.factors.functions._spectrum import eigenvalue_bound
from factorgraph.inference.implicit import Near, respond
from factorgraph.inference.loop import Run, record
from factorgraph.inference.problem import Minimum, Problem, Quadratic
from factorgraph.inference.solvers._kinds import Recordable, State
from factorgraph.structure import Grouping

if TYPE_CHECKING:
    pass


def dependent(plan: ProcedurePlan, rows: int, among: int) -> Issue:
    """What is said where active units of some rows depend on each other."""
    what = f"{rows} of {among} codes of {' and '.join(plan.block)} have active units that depend on each other"
    more = f'the gradient through "{plan.id}" leaves out the directions along which nothing holds them'
    fix = "a small squared distance of the code to 0 as a factor, or fewer units"
    return issue("FGW254", f"{what}: {more}", ("inference", plan.name), fix=fix)


Report = Callable[[Tensor], None]  # told which rows, (batch,) bool, have active units that depend on each other


# --- what holds at the end -----------------------------------------------------------------------------------------------------


def attached(block: Block, z: Tensor, still: Assignment, tensors: Tensors, report: Report) -> Tensor:
    """A minimum, (batch, units), with the gradients that the conditions of optimality give it."""
    z = z.detach()
    slope = gradient_of(block.smooth_of(still, tensors), through=True)(z)
    if not slope.requires_grad:
        return z
    fixed = {key: each.detach() for key, each in still.items()}
    values = {owner: {name: each.detach() for name, each in own.items()} for owner, own in tensors.items()}
    found: Tensor = _Attached.apply(slope, z, cache(lambda: near(block, z, fixed, values)), report)  # type: ignore[no-untyped-call]
    return found


class _Attached(torch.autograd.Function):
    """The code as a function of its energy's slope in it: dz = -(P H P)^-1 P dg.

    To second order the code moves as H changes, which is left out. The least energy, of which the code is the minimum, has no
    slope along it: its derivatives are right up to the third all the same.
    """

    @staticmethod
    def forward(ctx: Any, slope: Tensor, z: Tensor, around: Callable[[], Near], report: Report) -> Tensor:
        ctx.around, ctx.report = around, report
        return z.clone()

    @staticmethod
    def backward(ctx: Any, pull: Tensor) -> tuple[Tensor | None, ...]:
        answer: Tensor = _Response.apply(pull, ctx.around, ctx.report)  # type: ignore[no-untyped-call]
        return -answer, None, None, None


class _Response(torch.autograd.Function):
    """The u of P H P u = P v: linear in v, and its own adjoint."""

    @staticmethod
    def forward(ctx: Any, pull: Tensor, around: Callable[[], Near], report: Report) -> Tensor:
        ctx.around = around
        answer, dependent = respond(around(), pull)
        report(dependent)
        return answer

    @staticmethod
    def backward(ctx: Any, pull: Tensor) -> tuple[Tensor | None, ...]:
        answer: Tensor = _Response.apply(pull, ctx.around, lambda dependent: None)  # type: ignore[no-untyped-call]
        return answer, None, None


def near(block: Block, z: Tensor, still: Assignment, tensors: Tensors) -> Near:
    """A block's energy around a minimum: zero units that a magnitude or a domain holds there stay where they are."""
    shares = block.shares(still, tensors)
    free, along = _free(block, z, shares), tuple(each.id for each in block.variables if each.domain == "simplex")
    bent = [share for share in shares if share.groups is not None]  # of what has no gradient only lengths of groups have a curve
    smooth = block.smooth_of(still, tensors)
    if not block.plan.gram or bent:
        parts = block.split
        curve = _curve(lambda point: sum((share.energy(parts(point)) for share in bent), smooth(point)), z)
        return Near(z, free, _along(block, free, along), curve)
    hessian = block.shared_hessian(z, still, tensors)
    return Near(z, free, _along(block, free, along), lambda v: v @ hessian, None if along else hessian)


def _free(block: Block, z: Tensor, shares: list[Share]) -> Tensor:
    """(batch, units) bool: the active set."""
    parts = block.split(z)
    bounded = {each.id for each in block.variables if each.domain in ("nonnegative", "simplex")}
    free = {key: part > 0 if key in bounded else torch.ones_like(part, dtype=torch.bool) for key, part in parts.items()}
    for share in shares:
        part, groups = parts[share.variable], share.groups
        if groups is None:
            free[share.variable] = free[share.variable] & (part != 0)
        else:
            assert isinstance(groups, Grouping), "what measures groups knows their units"
            free[share.variable] = free[share.variable] & (groups.spread(groups.forward(part, {})).reshape(part.shape) > 0)
    return block.join(free)


def _along(block: Block, free: Tensor, sums: tuple[str, ...]) -> Callable[[Tensor], Tensor]:
    """The part of (batch, units) in the active set, along which variables whose units add up to 1 still do."""
    inside = {key: part.flatten(1) for key, part in block.split(free.to(torch.get_default_dtype())).items() if key in sums}

    def along(v: Tensor) -> Tensor:
        v = torch.where(free, v, 0)
        if not sums:
            return v
        parts = block.split(v)
        for key, mask in inside.items():
            own, within = parts[key].flatten(1), mask.to(v.dtype)
            level = own.sum(1, keepdim=True) / within.sum(1, keepdim=True).clamp_min(1)
            parts[key] = (own - level * within).reshape(parts[key].shape)
        return block.join(parts)

    return along


def _curve(energy: Callable[[Tensor], Tensor], z: Tensor) -> Callable[[Tensor], Tensor]:
    """Products with the Hessian at a point: the gradient is differentiated along a direction, its graph made once."""
    with torch.enable_grad():
        point = z.detach().requires_grad_()
        (slope,) = torch.autograd.grad(energy(point).sum(), point, create_graph=True)

    def curve(v: Tensor) -> Tensor:
        if not slope.requires_grad:
            return torch.zeros_like(v)
        (bent,) = torch.autograd.grad(slope, point, v, retain_graph=True, allow_unused=True)
        return torch.zeros_like(v) if bent is None else bent

    return curve


# --- its steps -----------------------------------------------------------------------------------------------------------------


def recorded(
    block: Block, solver: Recordable, start: Tensor, still: Assignment, tensors: Tensors, steps: int, tolerance: float
) -> Minimum:
    """What a solver finds, with gradients through its steps to the start, to what stands still and to parameters.

    Kept are the states after every few steps; what is between them is computed once more on the way back.
    """
    held = _Held()
    quadratic, bound = None, block.bound(tensors, start)
    if block.plan.gram:
        hessian = block.shared_hessian(start, still, tensors, through=True)
        bound, zero = eigenvalue_bound(hessian), torch.zeros_like(start)
        smooth = block.smooth_of(still, tensors)
        quadratic = Quadratic(held(hessian), held(gradient_of(smooth, through=True)(zero)), held(smooth(zero)))
    beside = {key: held(each) for key, each in still.items()}
    values = {owner: {name: held(each) for name, each in own.items()} for owner, own in tensors.items()}
    smooth = block.smooth_of(beside, values)
    problem = Problem(
        start=start,
        smooth=smooth if quadratic is None else quadratic.value,
        gradient=gradient_of(smooth, through=True) if quadratic is None else quadratic.gradient,
        bound=None if bound is None else bound.detach(),
        rest=block.rest_of(start, beside, values),
        quadratic=quadratic,
        squares=block.squares,
    )
    return record(solver, problem, steps, tolerance, held.advance)


class _Held:
    """Tensors in whose place steps see copies that end the graph there, so that a stretch can be differentiated by itself."""

    def __init__(self) -> None:
        self.outside: list[Tensor] = []
        self.inside: list[Tensor] = []

    def __call__(self, each: Tensor) -> Tensor:
        if not each.requires_grad:
            return each
        self.outside.append(each)
        self.inside.append(each.detach().requires_grad_())
        return self.inside[-1]

    def advance(self, run: Run, state: State) -> State:
        found: State = _Stretch.apply(run, tuple(self.inside), len(state), *state, *self.outside)  # type: ignore[no-untyped-call]
        return found


class _Stretch(torch.autograd.Function):
    """Some steps of which only the state before them is kept."""

    @staticmethod
    def forward(ctx: Any, run: Run, inside: tuple[Tensor, ...], count: int, *tensors: Tensor) -> State:
        ctx.run, ctx.inside = run, inside
        ctx.save_for_backward(*tensors[:count])
        ctx.set_materialize_grads(False)
        found = tuple(each.detach() for each in _run(run, tensors[:count])[1])
        ctx.mark_non_differentiable(*(each for each in found if not each.is_floating_point()))
        return found

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *slopes: Tensor | None) -> tuple[Tensor | None, ...]:
        given, found = _run(ctx.run, ctx.saved_tensors)
        moving = [each for each in given if each.requires_grad]
        told = [(each, slope) for each, slope in zip(found, slopes, strict=True) if slope is not None and each.requires_grad]
        ends, pulls = [each for each, _ in told], [slope for _, slope in told]
        back = iter(torch.autograd.grad(ends, [*moving, *ctx.inside], pulls, retain_graph=True, allow_unused=True))
        states = [next(back) if each.requires_grad else None for each in given]
        return None, None, None, *states, *back


def _run(run: Run, state: State) -> tuple[State, State]:
    """The state as it was given, an end of the graph, and the next, with gradients: nothing in memory is written over."""
    with torch.enable_grad():
        given = tuple(each.detach().requires_grad_(each.is_floating_point()) for each in state)
        return given, run(given)
