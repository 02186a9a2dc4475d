"""Which solver minimises what: a pure function of the graph, its sizes and the leaves that are installed.

The terms of the energy tell its structure; a solver states what it needs of it. Of the solvers that accept, the one that uses
most of the structure wins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from math import prod

from factorgraph import registry
from factorgraph.compile.dependence import Dependence, Kind, dependences
from factorgraph.compile.network import check
from factorgraph.compile.plan import Kernel, ProcedurePlan, Term
from factorgraph.compile.terms import structure_of, terms_of
from factorgraph.errors import Issue, SpecError, issue
from factorgraph.graph.model import Graph, Id, Variable
from factorgraph.inference.domains import FINITE
from factorgraph.inference.methods._method import Method
from factorgraph.spec.references import standing_for
from factorgraph.structure import Solver, Structure

NEEDS = {  # the words of Structure, as users read them
    "settled": "a proximal map of every non-smooth term",
    "differentiable": "a gradient of every smooth term",
    "bounded": "a bound of the gradient's slope",
    "convex": "a convex energy",
    "quadratic": "a quadratic smooth part",
    "shared": "one Hessian for all samples",
    "proximal": "a non-smooth part with a proximal map",
    "plain": "an energy without a non-smooth part",
    "magnitudes": "magnitudes alone, as of l1, beside the smooth part, of real or of nonnegative values",
}
LARGEST_GRAM = 4096  # units: 64 MiB of float32
GRAM_ADVANTAGE = 2.0  # one product with the Hessian costs about half of the same arithmetic in a differentiated graph


@dataclass(frozen=True)
class Named:
    """A procedure at one slot, its names resolved."""

    id: str
    name: str
    slots: Mapping[str, int]
    method: Method
    block: tuple[Variable, ...]
    factors: tuple[str, ...]


def visible(graph: Graph, only: Iterable[str] | None, without: Iterable[str]) -> tuple[str, ...]:
    """Ids of the factors that count. A name stands for all of its slots, a fragment's for all of its factors."""

    def named(names: Iterable[str]) -> set[str]:
        return {key for name in names for key in standing_for(name, graph.factors)}

    counted = set(graph.factors) if only is None else named(only)
    hidden = named(without)
    return tuple(key for key in graph.factors if key in counted and key not in hidden)


def plan_procedure(graph: Graph, named: Named) -> ProcedurePlan:
    """The plan of one procedure. Raises :class:`SpecError` FG401, FG402, FG420, FG421 or FG445 to FG447 where no solver can."""
    units = sum(prod(each.shape) for each in named.block)
    block = tuple(each.id for each in named.block)
    plan = ProcedurePlan(named.id, named.name, dict(named.slots), named.method.type, block, named.factors, units)
    if not named.method.searches:
        return plan
    _check_domains(named)
    known = dependences(graph, frozenset(block))
    terms = terms_of(graph, named.factors, known, named.block)
    structure = structure_of(terms, named.block, units)
    check(graph, named, terms, structure, known)
    solver, reason, others = _choose(named, terms, structure)
    return replace(
        plan,
        terms=terms,
        domain=structure.domain,
        solver=solver.model_dump(mode="json"),
        kernel=_kernel(graph, named, structure, known, solver),
        reason=reason,
        others=others,
    )


def misfit(graph: Graph, named: Named, plan: ProcedurePlan) -> str:
    """Why a stored plan is not one of this procedure of this graph; empty where it is.

    The choice of the solver is not made again: only that it can do what it is asked to.
    """
    block = tuple(each.id for each in named.block)
    if (plan.block, plan.method) != (block, named.method.type) or any(each not in graph.factors for each in plan.factors):
        return f'"{named.id}" is planned for other variables or factors'
    if not named.method.searches:
        return "" if plan.solver is None else f'"{named.id}" searches for nothing'
    known = dependences(graph, frozenset(block))
    terms = terms_of(graph, named.factors, known, named.block)
    structure = structure_of(terms, named.block, plan.units)
    solvers = registry.leaves("solvers")
    kind = str((plan.solver or {}).get("type"))
    cls = solvers.get(kind)
    if cls is None or not issubclass(cls, named.method.runs):
        return f'"{named.id}" has no solver "{kind}"'
    if (plan.terms, plan.domain) != (terms, structure.domain) or (refusal := _refusal(cls, terms, structure)):
        return f'"{kind}" cannot infer "{named.id}"' + (f": it needs {refusal}" if plan.terms == terms else "")
    return "" if plan.kernel in _kernels(cls, structure) else f'"{named.id}" has no kernel "{plan.kernel}"'


def _choose(named: Named, terms: tuple[Term, ...], structure: Structure) -> tuple[Solver, str, tuple[str, ...]]:
    wanted: Solver | None = getattr(named.method, "solver", None)
    candidates = {name: cls for name, cls in registry.leaves("solvers").items() if issubclass(cls, named.method.runs)}
    refusals = {name: refusal for name, cls in candidates.items() if (refusal := _refusal(cls, terms, structure))}
    accepting = sorted(
        (name for name in candidates if name not in refusals), key=lambda name: (-_used(candidates[name], structure), name)
    )
    if wanted is not None:
        if wanted.type in refusals:
            raise SpecError(
                _refused(
                    named,
                    "FG402",
                    f'"{wanted.type}" cannot infer {_block(named)}: it needs {refusals.pop(wanted.type)}',
                    accepting,
                    _verdicts(refusals),
                )
            )
        return wanted, "named in the spec" + _would_do([each for each in accepting if each != wanted.type]), _verdicts(refusals)
    if not accepting:
        raise SpecError(_insoluble(named, structure, candidates.values(), _verdicts(refusals)))
    best = accepting[0]
    cls = candidates[best]
    known = cls.uses & structure.has()
    untold = {"differentiable", "settled", *(("bounded",) if "quadratic" in known else ())}  # a part of what is told
    used = [NEEDS[name] for name in NEEDS if name in known - untold]
    reason = (
        f"uses {_spoken(used)}"
        if used
        else f"the domain is {structure.domain}"
        if structure.domain != "real"
        else "needs only a gradient"
    )
    return cls(type=best), reason + _would_do(accepting[1:]), _verdicts(refusals)


def _verdicts(refusals: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(f"{name} will not do: it needs {why}" for name, why in sorted(refusals.items()))


def _refusal(cls: type[Solver], terms: tuple[Term, ...], structure: Structure) -> str:
    """What the solver lacks, and which term lacks it; empty where it accepts."""
    if structure.domain not in cls.domains:
        domain = " and ".join(FINITE) if structure.domain == "finite" else structure.domain
        return f"a domain among {', '.join(sorted(cls.domains - {'finite'}))}; this one is {domain}"
    if too_large := cls.too_large(structure):
        return too_large
    for need, words in NEEDS.items():
        if need in cls.needs and need not in structure.has():
            return words + _culprit(need, terms)
    return ""


def _culprit(need: str, terms: tuple[Term, ...]) -> str:
    lacks: dict[str, Callable[[Term], bool]] = {
        "differentiable": lambda term: term.part == "unsolvable",
        "bounded": lambda term: not term.bounded,
        "convex": lambda term: not term.convex,
        "quadratic": lambda term: term.part == "smooth" and not term.quadratic,
        "shared": lambda term: term.own,
        "plain": lambda term: term.part == "rest",
        "settled": lambda term: term.part == "unsolvable",
        "magnitudes": lambda term: term.part == "rest" and not term.magnitude,
    }
    guilty = next((term for term in terms if need in lacks and lacks[need](term)), None)
    return "" if guilty is None else f"; {guilty.factor} is {guilty.promise}"


def _used(cls: type[Solver], structure: Structure) -> int:
    return len(cls.uses & structure.has())


def _refused(named: Named, code: str, message: str, accepting: list[str], verdicts: tuple[str, ...]) -> Issue:
    path = ("inference", named.name) + (("solver",) if code == "FG402" else ())
    fix = (
        f"solver: {accepting[0]}"
        if accepting
        else "keep non-smooth factors on the variable itself, one for each, or infer it by an encoder (method: amortized)"
    )
    return issue(code, message, path, notes=verdicts, allowed=", ".join(accepting), fix=fix)


def _insoluble(named: Named, structure: Structure, candidates: Iterable[type[Solver]], verdicts: tuple[str, ...]) -> Issue:
    """No solver can do it: why not, and what the user can."""
    too_large = [why for cls in candidates if structure.domain in cls.domains and (why := cls.too_large(structure))]
    if not (structure.choices and too_large):
        return _refused(named, "FG401", f"no solver can infer {_block(named)}", [], verdicts)
    what = f"{_block(named)} cannot be searched value by value: {'; '.join(too_large)}"
    fix = "take fewer units, make them nonnegative or simplex, or infer them by an encoder (method: amortized)"
    return issue("FG421", what, ("inference", named.name), fix=fix)


def _check_domains(named: Named) -> None:
    """Raise :class:`SpecError` FG420 where some variables can only be tried and others only be moved."""
    tried = [each.id for each in named.block if each.domain in FINITE]
    moved = [each.id for each in named.block if each.domain not in FINITE]
    if tried and moved:
        what = f"{_spoken(tried)} may take a few values, which are tried, and {_spoken(moved)} many, which are searched by steps"
        fix = f"infer {_spoken(tried)} and {_spoken(moved)} by procedures of their own"
        raise SpecError(issue("FG420", f"{what}: no solver does both at once", ("inference", named.name), fix=fix))


def _block(named: Named) -> str:
    return " and ".join(each.id for each in named.block)


def _would_do(others: list[str]) -> str:
    return f"; {_spoken(others)} would also do" if others else ""


def _spoken(words: list[str]) -> str:
    return ", ".join(words[:-1]) + f" and {words[-1]}" if len(words) > 1 else "".join(words)


def _kernels(solver: type[Solver], structure: Structure) -> tuple[Kernel, ...]:
    """In which ways a solver can be given the energy, the most laborious to prepare last."""
    if structure.domain in (*FINITE, "finite"):
        return ("", "gram") if structure.quadratic and structure.shared and structure.size <= LARGEST_GRAM else ("",)
    if not structure.quadratic:
        return ("gradient",)
    formed: tuple[Kernel, ...] = ("gram",) if structure.shared else ("grams",)
    if "quadratic" in solver.needs:
        return formed
    return ("gradient", *formed) if structure.shared else ("gradient",)


def _kernel(graph: Graph, named: Named, structure: Structure, known: Mapping[Id, Dependence], solver: Solver) -> Kernel:
    """The Hessian is worth forming where it saves work: where there are values to try, or a product with it is cheap."""
    first, *others = _kernels(type(solver), structure)
    if not others or (first == "gradient" and not _cheap(graph, named, structure.size, known)):
        return first
    return others[-1]


def _cheap(graph: Graph, named: Named, units: int, known: Mapping[Id, Dependence]) -> bool:
    """Whether one product with the Hessian costs less than differentiating the energy once more."""
    applied = {
        each.function for each in graph.values.values() if hasattr(each, "function") and known[each.id].kind is not Kind.CONSTANT
    }
    counted = {key for factor in named.factors for each in graph.factors[factor].arguments for key in graph.ancestors(each)}
    used = {each.function for key in counted if hasattr(each := graph.values[key], "function")}
    numbers = sum(prod(parameter.shape) for name in applied & used for parameter in graph.functions[name].parameters.values())
    return units**2 <= GRAM_ADVANTAGE * (2 * numbers + units)
