"""How far a code can be from the minimum: a number that needs no knowledge of the minimum."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from factorgraph.inference.problem import Problem
from factorgraph.inference.rows import column, flat, norm, readable
from factorgraph.inference.solvers._kinds import Direct, Iterative
from factorgraph.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.inference.problem import Groups, Part

SMALLEST_CODE = 1e-6  # a code whose norm is below this counts as one of this norm, so that a code of zeros has a residual
ROUNDS = 2  # of Newton's method for what groups bear: 1e-6 of it is left by them where a gap is small, to the safe side


def certifier(problem: Problem) -> Callable[[Tensor, Tensor], Tensor]:
    """What gives each row's certificate for (code, inverse step): the duality gap where there is one, else the residual.

    Of a problem in parts that has no gap it is the worst of the parts': 0 says that no part can lower the energy by itself.

    A unit whose magnitude costs nothing, as one that is only kept nonnegative, leaves no useful gap: looked at once a solve.
    """
    weight = problem.rest.least if problem.squares and problem.rest is not None else None
    if weight is not None and (not readable(weight) or bool((weight > 0).all())):
        return lambda z, inverse_step: duality_gap(problem, z)
    if problem.parts:
        return lambda z, inverse_step: torch.stack([_of_part(each, z) for each in problem.parts]).amax(0)
    return lambda z, inverse_step: residual(problem, z, inverse_step)


def duality_gap(problem: Problem, z: Tensor) -> Tensor:
    """(batch,): energy less its dual bound, relative to the energy.

    With f = |Dz - y|^2 / 2, r = y - Dz and the dual point s r, where s in [0, 1] is the largest for which no unit's correlation
    with s r exceeds its weight w, the gap is (1 - s)^2 f + s z.grad f + w.|z|. This form of f + w.|z| - s r.y + s^2 |r|^2 / 2
    has no large terms that cancel. Source: Kim et al., IEEE J. Sel. Topics Signal Process. 1(4), 2007, section III. Of groups, s
    is the largest for which no group's correlations, each less w, are longer than the group's weight, which is paid for lengths:
    Ndiaye et al., NIPS 2016, section 3.
    """
    quadratic, rest = problem.quadratic, problem.rest
    assert rest is not None, "a duality gap needs an l1, or groups"
    code = flat(z)
    if quadratic is None:
        gradient, smooth = flat(problem.gradient(z)), problem.smooth(z)
    else:
        gradient = quadratic.gradient(code)
        smooth = (code * (gradient + quadratic.linear)).sum(1) / 2 + quadratic.constant
    tiny = torch.finfo(z.dtype).tiny
    pull = (-gradient if rest.nonnegative else gradient.abs()).clamp_min(tiny)
    if rest.groups is None:
        assert rest.l1 is not None, "a duality gap needs an l1, or groups"
        weight = flat(rest.l1.expand_as(z))
        s, paid = (weight / pull).amin(1).clamp_max(1), (weight * code.abs()).sum(1)
    else:
        s, paid = _borne(pull, rest.groups), rest.value(z)
    gap = (1 - s).square() * smooth + s * (code * gradient).sum(1) + paid
    return gap.clamp_min(0) / (smooth + paid).clamp_min(tiny)


def _borne(pull: Tensor, groups: Groups) -> Tensor:
    """(batch,): the largest share of ``pull`` (batch, units), at most 1, that the weights of all groups bear.

    Newton's method for |(s pull - units)_+| = weight of a group, for all at once: the left side is convex in s, so that s comes
    from above. What is left over, s is shortened by in proportion, which convexity allows.
    """
    tiny = torch.finfo(pull.dtype).tiny
    single = groups.at_units(groups.weight) == 0
    s = torch.where(single, groups.units / pull, 1).amin(1).clamp_max(1)
    long, units = groups.of(pull), groups.of(groups.units[None])
    weight = torch.where(groups.weight > 0, groups.weight, torch.inf)
    for _ in range(ROUNDS):
        over = (s[:, None, None] * long - units).clamp_min(0)
        length = torch.linalg.vector_norm(over, dim=2)
        steep = (over * long).sum(2) / length.clamp_min(tiny)
        s = torch.minimum(s, (s[:, None] - (length - weight) / steep.clamp_min(tiny)).amin(1))
    length = torch.linalg.vector_norm((s[:, None, None] * long - units).clamp_min(0), dim=2)
    borne: Tensor = s * (weight / length.clamp_min(tiny)).amin(1).clamp_max(1)
    return borne


def residual(problem: Problem, z: Tensor, inverse_step: Tensor) -> Tensor:
    """(batch,): how far one more proximal step of fixed length moves the code, relative to the code's norm.

    ``inverse_step``: () or (batch,), the Lipschitz constant that the step's length is the inverse of.
    """
    length = column(1 / inverse_step.clamp_min(torch.finfo(z.dtype).tiny), z)
    moved = z - problem.gradient(z) * length
    if problem.rest is not None:
        moved = problem.rest.prox(moved, length)
    return norm(moved - z) / norm(z).clamp_min(SMALLEST_CODE)


def _of_part(part: Part, z: Tensor) -> Tensor:
    """(batch,): the certificate of one part where the others stand at the same code.

    Where its minimum can be computed, that is how far it moves there, relative to its code's norm.
    """
    problem, solver = part.problem(z), part.solver
    if isinstance(solver, Direct):
        return norm(solver.minimise(problem) - problem.start) / norm(problem.start).clamp_min(SMALLEST_CODE)
    assert isinstance(solver, Iterative), f"the solver {solver.type} is neither direct nor iterative"
    return certifier(problem)(problem.start, solver.inverse_step(problem, solver.begin(problem)))
