"""How learning sees the code that a search finds: what may be asked for, what then moves the code, what it costs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from math import ceil, prod
from typing import TYPE_CHECKING

from factorgraph import registry
from factorgraph.compile.dependence import dependences, moving_in
from factorgraph.compile.naming import named_procedures, reads
from factorgraph.compile.plan import PhasePlan, ProcedurePlan
from factorgraph.compile.terms import grouped, terms_of
from factorgraph.errors import Issue, SpecError, issue
from factorgraph.graph.model import FactorNode, Graph, Id
from factorgraph.inference.domains import FINITE
from factorgraph.inference.loop import CHECK_EVERY
from factorgraph.inference.solvers._kinds import Recordable

if TYPE_CHECKING:
    from factorgraph.compile.planner import Named

LARGEST = 2**34  # bytes, 16 GiB, that a batch's steps may take
NUMBER = 4  # bytes
A_STEP = 4  # codes that a step makes beside its state: what it reaches, its slope, what is shrunk, what is compared
BENT = 3  # times the values of the energy, where a step differentiates it: they, their slopes, and those of the slopes


def check(graph: Graph, named: Named) -> None:
    """Raise :class:`SpecError` FG436 where a minimum has no derivative that is known, FG437 where steps cannot be recorded."""
    method = named.method
    if method.through() == "stop":
        return
    path = ("inference", named.name, "gradient")
    block = " and ".join(each.id for each in named.block)
    if finite := [each for each in named.block if each.domain in FINITE]:
        what = f"{block} has no gradient: {finite[0].id} is {finite[0].domain}, and stays where it is until it jumps"
        fix = f"gradient: stop, or {finite[0].name} nonnegative or simplex"
        raise SpecError(issue("FG436", what, path, allowed="stop", fix=fix))
    if method.through() == "implicit":
        if bent := _bent(graph, named):
            what = f"what holds at a minimum over {block} is not smooth on an active set: {bent.id} is {bent.leaf.type}"
            raise SpecError(issue("FG436", what, path, allowed="stop, unroll", fix="gradient: unroll"))
    elif (solver := getattr(method, "solver", None)) is not None and not isinstance(solver, Recordable):
        what = f'the steps of "{solver.type}" towards {block} cannot be recorded'
        can = ", ".join(name for name, cls in registry.leaves("solvers").items() if issubclass(cls, Recordable))
        raise SpecError(issue("FG437", what, path, allowed=can, fix="gradient: implicit, or one of these solvers"))


def _bent(graph: Graph, named: Named) -> FactorNode | None:
    """A factor that is neither smooth nor a sum of magnitudes, of units or of lengths of groups."""
    known = dependences(graph, frozenset(each.id for each in named.block))
    for term in terms_of(graph, named.factors, known, named.block):
        factor = graph.factors[term.factor]
        if term.part != "smooth" and not (term.magnitude or grouped(factor, known, graph) is not None):
            return factor
    return None


def moved_by(graph: Graph, named: Named) -> tuple[set[Id], set[str]]:
    """What a search's code moves with, where learning sees through it: values, and owners of the parameters of factors."""
    way = named.method.through()
    if way == "stop" and not named.method.sums:
        return set(), set()
    known = dependences(graph, frozenset(each.id for each in named.block))
    factors = [each for key in named.factors if (each := graph.factors[key]).weight and moving_in(each, known)]
    starts = reads(graph, named).get("start", {}).values() if way == "unroll" else ()
    return {*starts, *(value for each in factors for value in each.arguments)}, {f"factors.{each.id}" for each in factors}


def memory(graph: Graph, plan: ProcedurePlan, steps: int, rows: int) -> int:
    """Bytes that learning through a search's steps takes, about: a state every few steps, and the steps between two of them."""
    cls = registry.leaves("solvers")[str((plan.solver or {})["type"])]
    assert issubclass(cls, Recordable), "the planner gives it a solver whose steps can be recorded"
    stretches, within = ceil(steps / CHECK_EVERY), min(steps, CHECK_EVERY)
    numbers = plan.units * (stretches * cls.codes + within * (cls.codes + A_STEP))
    if not plan.gram:
        moving = (graph.values[key] for key in graph.values if graph.depends(key, frozenset(plan.block)))
        numbers += within * BENT * sum(prod(each.shape) for each in moving)
    return rows * NUMBER * numbers


def check_memory(graph: Graph, plans: Mapping[str, ProcedurePlan], phases: Collection[PhasePlan]) -> Iterator[Issue]:
    """FG438 for every procedure whose steps would not fit into memory in a phase that learns through them."""
    for key, named in named_procedures(graph).items():
        rows = _rows(graph, key, phases)
        if named.method.through() == "unroll" and rows:
            steps = _steps(named)
            needed = memory(graph, plans[key], steps, rows)
            if needed > LARGEST:
                what = f'learning through {steps} steps of "{named.name}" for {rows} rows takes {_size(needed)}'
                fix = "gradient: implicit, fewer steps, or a smaller batch_size"
                yield issue("FG438", f"{what}, and {_size(LARGEST)} is the most", ("inference", named.name, "gradient"), fix=fix)


def describe(graph: Graph, plan: ProcedurePlan, phases: Collection[PhasePlan]) -> str:
    """How learning sees the code, as ``explain`` prints it; empty where it sees a constant."""
    named = named_procedures(graph)[plan.id]
    way = named.method.through()
    if way == "stop":
        return ""
    if way == "implicit":
        told = "by the conditions of optimality on the active set, damped by the root of the precision (3.5e-4)"
        return f"  learns  {way:18} {told}\n{'':29}of the curvature along the code"
    rows, steps = _rows(graph, plan.id, phases) or 1, _steps(named)
    needed = _size(memory(graph, plan, steps, rows))
    return f"  learns  {way:18} through at most {steps} steps, of which every {CHECK_EVERY}th is kept: {needed} for {rows} rows"


def _steps(named: Named) -> int:
    return int(getattr(named.method, "steps"))  # noqa: B009  of a way to infer that goes step by step


def _rows(graph: Graph, procedure: str, phases: Collection[PhasePlan]) -> int:
    """The largest batch of a phase that runs a procedure; 0 where none does, or takes all of data that do not say how many."""
    names = {each.phase.split("[", maxsplit=1)[0] for each in phases if procedure in each.procedures}
    sizes = [graph.spec.learning[name].first.batch_size for name in names]
    counts = [each.first.count or 0 for each in graph.spec.data.sources.values()] if graph.spec.data else []
    return max((each if isinstance(each, int) else max(counts, default=0) for each in sizes), default=0)


def _size(count: int) -> str:
    return f"{count / 2**30:.3g} GiB" if count >= 2**30 else f"{count / 2**20:.3g} MiB"
