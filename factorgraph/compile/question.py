"""A question to a model: some of its variables are known, others are wanted; every procedure that it needs is planned for it.

A procedure of the spec infers its latents where all that it reads is known. What no such procedure can infer is minimised over
together, with all factors that can be evaluated; a free variable of few values is tried at each of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import TYPE_CHECKING, Any

import torch

from factorgraph import registry
from factorgraph.compile.later import predicted
from factorgraph.compile.naming import named_procedures, reads
from factorgraph.compile.planner import Named, plan_procedure
from factorgraph.compile.problems import Block, solver_of
from factorgraph.compile.procedures import Found, worst
from factorgraph.errors import RunError, SpecError, issue
from factorgraph.graph.model import Graph, Id, Variable
from factorgraph.inference import domains
from factorgraph.inference.loop import solve
from factorgraph.inference.partly import Held, held
from factorgraph.inference.problem import Problem
from factorgraph.spec.references import standing_for

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.compile.model import Model
    from factorgraph.compile.plan import ProcedurePlan
    from factorgraph.compile.solution import Solution

STEPS, TOLERANCE = 3000, 1e-5  # of a search that a question plans
MOST_TRIED = 4096  # values of the free variables of few values, where others are searched at each
FLAT = 1e-6  # of the largest curvature: a direction with less costs nothing


@dataclass(frozen=True)
class Partly:
    """An observed variable of which some raw values are known: it is ``base + matrix (free * v)``, whatever v is.

    ``base`` (batch, *shape): a first guess in the place of what is free. ``free`` (batch, raw values) is 1 where a value is.
    """

    base: Tensor
    free: Tensor
    matrix: Tensor | None = None  # (units, raw values); each unit is a value, where it is none


@dataclass(frozen=True)
class Answer:
    """``solution`` as of any inference; ``plans``: what was planned for this question; ``notes``: what is to be said of it."""

    solution: Solution
    plans: tuple[ProcedurePlan, ...] = ()
    notes: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Tensor:
        return self.solution[name]


@dataclass
class _Asking:
    model: Model
    known: dict[Id, Tensor]
    wanted: list[Variable]
    partly: Mapping[Id, Partly]
    start: Mapping[Id, Id]
    plans: list[ProcedurePlan] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    found: list[Found] = field(default_factory=list)

    @property
    def like(self) -> Tensor:
        """A tensor with the question's rows."""
        return next(iter([*self.known.values(), *(each.base for each in self.partly.values())]))

    @property
    def graph(self) -> Graph:
        return self.model.graph


def ask(
    model: Model,
    clamp: Mapping[str, Tensor],
    free: Iterable[str] = (),
    partly: Mapping[Id, Partly] | None = None,
    procedure: str | None = None,
    start: Mapping[Id, Id] | None = None,
) -> Answer:
    """Every latent variable that is not clamped, and the observed ones that are named, at the least energy.

    ``partly``: observed variables that are known in part; they are free for the rest. ``start``: values of the graph where the
    search for a variable begins, where they can be computed. Raises RunError FG621, FG657 to FG659.
    """
    partly = dict(partly or {})
    if not clamp and not partly:
        fix = "clamp a variable, so that there is something to infer from"
        raise RunError(issue("FG658", "nothing is clamped", allowed=", ".join(model.graph.sample_shapes), fix=fix))
    wanted = _wanted(model.graph, clamp, free, partly)
    asking = _Asking(model, dict(model.assign(clamp)) if clamp else {}, wanted, partly, start or {})
    asking.known = model.with_noise(asking.known or {"": asking.like})
    asking.known.pop("", None)
    factors = _evaluable(asking)
    with torch.no_grad():
        names = _by_procedures(asking, procedure)
        for part, touching in _apart(asking, factors):
            values, ended = _searched(asking, part, touching)
            asking.found.append(ended)
            asking.known |= values
        solution = model.conclude(names[0] if names else "", asking.known, asking.found, factors)
    return Answer(solution, tuple(asking.plans), tuple(asking.notes))


def _wanted(graph: Graph, clamp: Mapping[str, Tensor], free: Iterable[str], partly: Mapping[Id, Partly]) -> list[Variable]:
    """The variables that are to be inferred. Raises RunError FG658."""
    found: dict[Id, Variable] = {}
    clamped = {
        each.id
        for name in clamp
        for each in (graph.slots_of(name) or ([graph.variables[name]] if name in graph.variables else []))
    }
    for name in (*free, *partly):
        own = graph.slots_of(name) or tuple(each for each in graph.variables.values() if each.id == name)
        others = ", ".join(dict.fromkeys(each.name for kind in ("observed", "latent") for each in graph.of_kind(kind)))
        if not own:
            raise RunError(issue("FG658", f'the model has no variable "{name}"', allowed=others))
        for each in own:
            if each.kind not in ("observed", "latent"):
                what = (
                    f'"{name}" is {each.kind}: it follows from others' if each.kind == "derived" else f'"{name}" is {each.kind}'
                )
                raise RunError(issue("FG658", f"{what}, and cannot be free", each.written.path, allowed=others))
            if each.id in clamped:
                fix = "take it out of --free; a mask says which part of it is known"
                raise RunError(issue("FG658", f'"{name}" is clamped and free at once', each.written.path, fix=fix))
            found[each.id] = each
    return list(found.values()) + [each for each in graph.of_kind("latent") if each.id not in {*found, *clamped}]


def _evaluable(asking: _Asking) -> tuple[str, ...]:
    """The factors of which all is clamped or free."""
    graph = asking.graph
    there = {*asking.known, *(each.id for each in asking.wanted)}
    absent = frozenset(
        each.id for kind in ("observed", "latent", "noise") for each in graph.of_kind(kind) if each.id not in there
    )
    return tuple(key for key, each in graph.factors.items() if not any(graph.depends(value, absent) for value in each.arguments))


# --- the spec's own procedures -------------------------------------------------------------------------------------------------


def _by_procedures(asking: _Asking, procedure: str | None) -> list[str]:
    """What the spec's procedures can infer of what is wanted; the names of those that did."""
    model, graph = asking.model, asking.graph
    named = named_procedures(graph)
    first = [] if procedure is None else standing_for(procedure, model.inferences)
    if procedure is not None and not first:
        raise RunError(issue("FG620", f'there is no procedure "{procedure}"', allowed=", ".join(model.inferences)))
    done = []
    for key in dict.fromkeys((*first, *model.inferences)):
        block = set(model.inferences[key].plan.block)
        open_ = {each.id for each in asking.wanted}
        lacking = _needs(graph, named[key], asking.known) - asking.known.keys()
        if block <= open_ and not lacking:
            found = model.run((key,), asking.known, model.inferences)[key]
            asking.known |= found.values
            asking.found.append(found)
            asking.wanted = [each for each in asking.wanted if each.id not in block]
            done.append(key)
        elif key in first:
            why = (
                f"{', '.join(sorted(lacking))} is not known"
                if block <= open_
                else f"{', '.join(sorted(block - open_))} is clamped"
            )
            fix = "leave --procedure out: what is free is then minimised over together"
            raise RunError(issue("FG621", f'the procedure "{procedure}" cannot be used: {why}', fix=fix))
    return done


def _needs(graph: Graph, named: Named, known: Collection[Id]) -> set[Id]:
    """The variables that a procedure reads. What is given in training only, and not known, it does without."""
    factors = named.factors if named.method.searches else ()
    ids = [each for key in factors for each in graph.factors[key].arguments]
    ids += [each for values in reads(graph, named).values() for each in values.values()]
    free = {key for key in graph.leading_to(ids) if isinstance(it := graph.values[key], Variable) and it.definition is None}
    return free - {each.id for each in named.block} - (predicted(graph) - set(known))


# --- what is planned for the question ------------------------------------------------------------------------------------------


def _apart(asking: _Asking, factors: Sequence[str]) -> Iterator[tuple[list[Variable], tuple[str, ...]]]:
    """What is still wanted, in groups that share no factor, each with its factors. Raises RunError FG657."""
    graph = asking.graph
    open_ = {each.id: each for each in asking.wanted}
    touched = {key: open_.keys() & graph.leading_to(graph.factors[key].arguments) for key in factors if graph.factors[key].weight}
    for each in open_.values():
        if not any(each.id in ids for ids in touched.values()):
            raise _undetermined(asking, each)
    while open_:
        group = {next(iter(open_))}
        while more := {key for ids in touched.values() if ids & group for key in ids} - group:
            group |= more
        own = tuple(key for key, ids in touched.items() if ids & group)
        yield [each for each in asking.wanted if each.id in group], own
        open_ = {key: each for key, each in open_.items() if key not in group}


def _undetermined(asking: _Asking, variable: Variable) -> RunError:
    graph = asking.graph
    there = {*asking.known, *(each.id for each in asking.wanted)}
    missing: dict[str, None] = {}
    for factor in graph.factors.values():
        reached = graph.leading_to(factor.arguments)
        if variable.id in reached:
            free = (graph.variables[key] for key in reached if key in graph.variables)
            missing |= {each.name: None for each in free if each.definition is None and each.id not in there}
    what = f"nothing tells {variable.id}: "
    what += f"its factors read {', '.join(missing)} too" if missing else "no factor touches it"
    fix = f"clamp {' or '.join(missing)}, or name it in free" if missing else f"clamp {variable.name}, or leave it out of free"
    return RunError(issue("FG657", what, variable.written.path, fix=fix))


def _searched(asking: _Asking, group: list[Variable], factors: tuple[str, ...]) -> tuple[dict[Id, Tensor], Found]:
    tried = [each for each in group if each.domain in domains.FINITE]
    moved = [each for each in group if each.domain not in domains.FINITE]
    if not (tried and moved):
        return _minimised(asking, group, factors, asking.known)
    like = asking.like
    parts = [(each.domain, prod(each.shape)) for each in tried]
    if (count := prod(domains.count(*part) for part in parts)) > MOST_TRIED:
        what = (
            f"{', '.join(each.id for each in tried)} may take {count} values, and {', '.join(each.id for each in moved)} would be"
        )
        raise RunError(issue("FG659", f"{what} searched at each; {MOST_TRIED} are the limit", fix="clamp some of them"))
    choices = domains.choices(parts, like, 1)
    best: dict[Id, Tensor] = {}
    least = like.new_full((len(like),), torch.inf)
    ended = Found({})
    for number in range(choices.count):
        value = choices.at(torch.tensor([number], device=like.device)).expand(len(like), -1)
        split = torch.split(value, [size for _, size in parts], 1)
        here = {each.id: part.reshape(len(like), *each.shape) for each, part in zip(tried, split, strict=True)}
        notes = len(asking.notes)
        values, end = _minimised(asking, moved, factors, {**asking.known, **here})
        if number:
            del asking.notes[notes:], asking.plans[-1]  # the same for every value
        values |= here
        shares = asking.model.program.shares(factors, {**asking.known, **values}, asking.model.in_use())
        energy = torch.stack(list(shares.values())).sum(0)
        lower = energy < least
        least = torch.where(lower, energy, least)
        best = {key: torch.where(_like(lower, each), each, best.get(key, each)) for key, each in values.items()}
        ended = end if number == 0 else worst([ended, end])
    return best, replace(ended, values={})


def _minimised(
    asking: _Asking, group: list[Variable], factors: tuple[str, ...], known: Mapping[Id, Tensor]
) -> tuple[dict[Id, Tensor], Found]:
    """The variables of a group at the least energy of some factors, by the solver that the planner picks."""
    model, names = asking.model, [each.id for each in group]
    cls: Any = registry.leaves("methods")["argmin"]
    method = cls.model_construct(type="argmin", of=(), steps=STEPS, tolerance=TOLERANCE)
    try:
        plan = plan_procedure(model.graph, Named("question", "question", {}, method, tuple(group), factors))
    except SpecError as error:
        why = error.issues[0]
        fix = f"clamp some of {', '.join(names)}" if len(names) > 1 else why.fix
        raise RunError(issue("FG659", f"what is free cannot be inferred: {why.message}", notes=why.notes, fix=fix)) from None
    asking.plans.append(plan)
    block, solver = Block(model.program, plan), solver_of(plan)
    start = _start(asking, group, known)
    whole = block.join(start)
    given = dict(known) or {"": whole}
    problem = block.problem(whole, given, model.in_use())
    part = _held(asking, block, whole)
    if part is not None:
        _check_held(asking, plan, problem)
        problem = held(problem, part)
    asking.notes += _flat(problem, part, names)
    minimum = solve(solver, problem, STEPS, TOLERANCE)
    z = minimum.z if part is None else part.lift(minimum.z)
    return dict(block.split(z)), Found({}, minimum.status, minimum.steps, minimum.certificate)


def _start(asking: _Asking, group: list[Variable], known: Mapping[Id, Tensor]) -> dict[Id, Tensor]:
    """Where a search begins: at zero, what is partly known with zeros for the rest, or where it was told to, if that is known."""
    like = asking.like
    found = {}
    for each in group:
        told = asking.start.get(each.id)
        if each.id in asking.partly:
            found[each.id] = asking.partly[each.id].base
        elif told is not None and asking.model.computable(told, known):
            made = asking.model.program.values((told,), known, asking.model.in_use())[told]
            found[each.id] = made.expand(len(like), *each.shape)
        else:
            found[each.id] = like.new_zeros(len(like), *each.shape)
    return {each.id: domains.project(each.domain, found[each.id]) for each in group}


def _held(asking: _Asking, block: Block, whole: Tensor) -> Held | None:
    """What is known of a block. RunError FG659 where it is known of two of its variables."""
    own = [each for each in block.variables if each.id in asking.partly]
    if not own:
        return None
    if len(own) > 1:
        raise RunError(
            issue("FG659", f"{', '.join(each.id for each in own)} are known in part, all at once", fix="mask one of them")
        )
    (variable,) = own
    partly = asking.partly[variable.id]
    before = sum(block.sizes[: block.variables.index(variable)])
    size = prod(variable.shape)
    base = torch.zeros_like(whole)
    base[:, before : before + size] = partly.base.reshape(len(whole), size)
    others = whole.new_ones(len(whole), whole.shape[1] - size)
    if partly.matrix is None:
        return Held(base, torch.cat([others[:, :before], partly.free, others[:, before:]], 1))
    return Held(base, torch.cat([partly.free, others], 1), before, before + size, partly.matrix)


def _check_held(asking: _Asking, plan: ProcedurePlan, problem: Problem) -> None:
    """Raise RunError FG659 where a variable that is known in part has a domain, a term or a solver that moves it as a whole."""
    graph = asking.graph
    (key,) = set(plan.block) & asking.partly.keys()
    rest = [each.factor for each in plan.terms if each.part == "rest"]
    shrunk = any(key in graph.leading_to(graph.factors[each].arguments) for each in rest)
    if problem.parts or problem.choices is not None or graph.variables[key].domain != "real" or shrunk:
        what = f"{key} is known in part, and its energy has no solver that moves single values of it"
        raise RunError(issue("FG659", what, fix="clamp all of it, or nothing"))


def _flat(problem: Problem, part: Held | None, names: Sequence[str]) -> Iterator[str]:
    """What is said where a quadratic energy does not tell what it is minimised over: of the row that it tells least of."""
    if problem.quadratic is None or problem.rest is not None:
        return
    hessian = problem.quadratic.hessian
    own = hessian if hessian.dim() == 3 else hessian[None]
    moving = torch.ones_like(own[:, 0], dtype=torch.bool) if part is None else part.free > 0
    lost, among = 0, 0
    for row in range(len(own)):
        if row and torch.equal(own[row], own[row - 1]) and torch.equal(moving[row], moving[row - 1]):
            continue
        here = own[row][moving[row]][:, moving[row]]
        lost, among = max((lost, among), (_lost(here), len(here)))
    if lost:
        what = f"{' and '.join(names)} not determined: {lost} of {among} directions cost nothing"
        yield f"{what}; of all that fit, what is nearest to zero is taken; clamp {' or '.join(names)} to choose"


def _lost(hessian: Tensor) -> int:
    """In how many directions nothing is curved."""
    if not hessian.numel():
        return 0
    curved = torch.linalg.eigvalsh(hessian.double())
    return int((curved <= FLAT * curved.amax().clamp_min(torch.finfo(curved.dtype).tiny)).sum())


def _like(rows: Tensor, value: Tensor) -> Tensor:
    return rows.reshape(-1, *[1] * (value.dim() - 1))
