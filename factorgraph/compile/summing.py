"""How a block is summed out: what has a closed form, and what is tried value by value."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING

from factorgraph import registry
from factorgraph.compile.dependence import dependences
from factorgraph.compile.plan import Kernel, ProcedurePlan, Term
from factorgraph.compile.terms import classify, domain_of, linear, structure_of, terms_of
from factorgraph.errors import SpecError, issue
from factorgraph.graph.model import Graph, Variable
from factorgraph.inference import domains
from factorgraph.inference.solvers._kinds import Summing
from factorgraph.structure import Solver, SolverClass

if TYPE_CHECKING:
    from factorgraph.compile.planner import Named

MOST = 2**22  # values: some seconds for one row


@dataclass(frozen=True)
class Arrangement:
    """A block in two parts. ``closed`` is all real, or all of few values; ``why``: what keeps others from being closed."""

    closed: tuple[Variable, ...]
    tried: tuple[Variable, ...]
    why: tuple[str, ...]


def plan_sum(graph: Graph, named: Named) -> ProcedurePlan:
    """The plan of a procedure that sums its block out. Raises :class:`SpecError` FG453."""
    block = tuple(each.id for each in named.block)
    wanted: Solver | None = getattr(named.method, "solver", None)
    arranged = arrange(graph, named.block, "" if wanted is None else wanted.type)
    solver = _chosen(named, arranged, wanted)
    known = dependences(graph, frozenset(block))
    plan = ProcedurePlan(named.id, named.name, dict(named.slots), named.method.type, block, named.factors, _units(named.block))
    return replace(
        plan,
        terms=terms_of(graph, named.factors, known, named.block),
        domain=domain_of(named.block),
        solver=solver.model_dump(mode="json"),
        kernel=_kernel(graph, arranged.closed),
        reason=_reason(solver, arranged) + ("" if wanted is None else ", as the spec names it"),
        others=arranged.why,
        closed=tuple(each.id for each in arranged.closed),
    )


def misfit_sum(graph: Graph, named: Named, plan: ProcedurePlan) -> str:
    """Why a stored plan is not one of this procedure of this graph; empty where it is."""
    try:
        again = plan_sum(graph, named)
    except SpecError as error:
        return error.issues[0].message
    told = (plan.terms, plan.closed, plan.solver, plan.kernel)
    return "" if told == (again.terms, again.closed, again.solver, again.kernel) else f'"{named.id}" is summed in another way'


def arrange(graph: Graph, block: Collection[Variable], wanted: str) -> Arrangement:
    """The real variables together where that can be; else of those of few values as many as can be, the largest first."""
    real = [each for each in block if each.domain == "real"]
    few = sorted((each for each in block if each.domain in domains.FINITE), key=_values, reverse=True)
    closed, why = _closable(graph, real, _no_gaussian) if wanted != "grid" else ([], {})
    if not closed and wanted != "enumerate":
        closed, found = _closable(graph, few, _no_product)
        why |= found
    tried = tuple(each for each in block if each not in closed)
    return Arrangement(tuple(closed), tried, tuple(why[each.id] for each in tried if each.id in why))


def _closable(
    graph: Graph, variables: Iterable[Variable], obstacle: Callable[[Graph, list[Variable]], str]
) -> tuple[list[Variable], dict[str, str]]:
    """Variables that can be summed in closed form together, as many as fit one after another, and what keeps others out."""
    closed: list[Variable] = []
    why: dict[str, str] = {}
    for each in variables:
        found = obstacle(graph, [*closed, each])
        if found:
            beside = f" beside {_spoken(closed)}" if closed else ""
            why[each.id] = f"{each.id} has no closed form{beside}: {found}"
        else:
            closed.append(each)
    return closed, why


def _seen(graph: Graph, part: Collection[Variable]) -> Iterator[Term]:
    """All factors as variables see them, also those that a procedure leaves out: their mean under its posterior is asked for."""
    known = dependences(graph, frozenset(each.id for each in part))
    for factor in graph.factors.values():
        term = classify(factor, known, graph)
        if term is not None:
            yield term


def _no_gaussian(graph: Graph, part: list[Variable]) -> str:
    """Why some real variables are not Gaussian when all others are known; empty where they are."""
    terms = tuple(_seen(graph, part))
    if not terms:
        return "no factor touches it"
    for term in terms:
        if not (term.part == "smooth" and term.quadratic and term.convex):
            return f"{term.factor} is {term.promise}" + (" and not convex" if term.quadratic else "")
    known = dependences(graph, frozenset(each.id for each in part))
    if all(linear(graph.factors[term.factor], known, graph) for term in terms):
        return "nothing keeps it from running away"
    return _solver("exact").too_large(structure_of(terms, tuple(part), _units(part)))


def _no_product(graph: Graph, part: list[Variable]) -> str:
    """Why the units of some variables of few values are not independent when all others are known; empty where they are."""
    known = dependences(graph, frozenset(each.id for each in part))
    bent = next((each for each in graph.factors.values() if each.weight and not linear(each, known, graph)), None)
    return "" if bent is None else f"{bent.id} is not linear in it"


def _chosen(named: Named, arranged: Arrangement, wanted: Solver | None) -> Solver:
    """The solver for what is tried: nothing, values of finite domains, or points."""
    found = {each.domain for each in arranged.tried}
    kind = "exact" if not found else "enumerate" if found <= set(domains.FINITE) else "grid"
    cls = _solver(kind)
    solver = wanted if wanted is not None and wanted.type == kind else cls(type=kind)
    assert isinstance(solver, Summing), "these three can sum"
    if wanted is not None and wanted.type != kind:
        raise _refused(named, arranged, f'"{wanted.type}" cannot sum {_spoken(named.block)}', kind)
    if "simplex" in found:
        raise _refused(named, arranged, f"{_spoken(arranged.tried)} is on a simplex, where there is no grid")
    size = structure_of((), arranged.tried, _units(arranged.tried))
    if kind == "grid":
        size = replace(size, size=_units([each for each in arranged.tried if each.domain not in domains.FINITE]))
    if why := cls.too_large(size):
        raise _refused(named, arranged, f"{_spoken(named.block)} cannot be summed: {why}")
    count = solver.count([(each.domain, _units([each])) for each in arranged.tried])
    if count > MOST:
        what = f"{_spoken(named.block)} cannot be summed: {count} values, and {MOST} are the most"
        raise _refused(named, arranged, what, "fewer points" if kind == "grid" else "")
    return solver


def _refused(named: Named, arranged: Arrangement, what: str, fix: str = "") -> SpecError:
    usual = "fewer units, or factors that are linear in a variable of few values, or quadratic in a real one"
    told = f"solver: {fix}" if fix in ("exact", "enumerate", "grid") else fix or usual
    return SpecError(issue("FG453", what, ("inference", named.name), notes=arranged.why, fix=told))


def _reason(solver: Solver, arranged: Arrangement) -> str:
    closed, tried = _spoken(arranged.closed), _spoken(arranged.tried)
    gaussian = bool(arranged.closed) and arranged.closed[0].domain == "real"
    inner = f"{closed} {'as a Gaussian' if gaussian else 'unit by unit, in closed form'}"
    if not arranged.tried:
        return inner
    parts = [(each.domain, _units([each])) for each in arranged.tried]
    assert isinstance(solver, Summing), "only such solvers sum"
    outer = f"{tried} at {solver.count(parts)} {'points' if solver.type == 'grid' else 'values'}"
    return f"{outer}, for each of them {inner}" if arranged.closed else outer


def _solver(kind: str) -> SolverClass:
    cls = registry.leaves("solvers")[kind]
    assert issubclass(cls, Solver), "the family holds solvers"
    return cls


def _kernel(graph: Graph, closed: Collection[Variable]) -> Kernel:
    """How a Gaussian is formed: one Hessian for all, or one for each row and each value of what is tried."""
    if not closed or next(iter(closed)).domain != "real":
        return ""
    return "grams" if any(term.own for term in _seen(graph, closed)) else "gram"


def _values(variable: Variable) -> int:
    return domains.count(variable.domain, _units([variable]))


def _units(variables: Iterable[Variable]) -> int:
    return sum(prod(each.shape) for each in variables)


def _spoken(variables: Iterable[Variable]) -> str:
    return " and ".join(each.id for each in variables)
