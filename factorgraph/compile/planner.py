"""Which solver minimises what: a pure function of the graph, its sizes and the leaves that are installed.

A term of the energy is classed by its factor's promise and by how its arguments move with the block; a solver states what it
needs. Of the solvers that accept, the one that uses most of the structure wins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Literal

from factorgraph import registry
from factorgraph.compile.dependence import Dependence, Kind, dependences
from factorgraph.compile.plan import ProcedurePlan, Term
from factorgraph.errors import Issue, SpecError, issue
from factorgraph.graph.model import FactorNode, Graph, Id, Variable
from factorgraph.inference.methods._method import Method
from factorgraph.structure import Differentiable, Proximal, Quadratic, Smooth, Solver, Structure

NEEDS = {  # the words of Structure, as users read them
    "differentiable": "a gradient of every smooth term",
    "bounded": "a bound of the gradient's slope",
    "convex": "a convex energy",
    "quadratic": "a quadratic smooth part",
    "proximal": "a non-smooth part with a proximal map",
    "plain": "an energy without a non-smooth part",
    "settled": "a proximal map of every non-smooth term",
}
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
        return {key for key, each in graph.factors.items() if any(_stands_for(name, each) for name in names)}

    counted = set(graph.factors) if only is None else named(only)
    hidden = named(without)
    return tuple(key for key in graph.factors if key in counted and key not in hidden)


def _stands_for(name: str, factor: FactorNode) -> bool:
    return name in (factor.name, factor.id) or factor.name.startswith(name + ".")


def plan_procedure(graph: Graph, named: Named) -> ProcedurePlan:
    """The plan of one procedure. Raises :class:`SpecError` FG401 or FG402 where no solver can do it."""
    units = sum(prod(each.shape) for each in named.block)
    block = tuple(each.id for each in named.block)
    plan = ProcedurePlan(named.id, named.name, dict(named.slots), named.method.type, block, named.factors, units)
    if not named.method.searches:
        return plan
    known = dependences(graph, frozenset(block))
    terms = tuple(term for key in named.factors if (term := classify(graph, graph.factors[key], known)) is not None)
    structure = structure_of(terms, named.block, units)
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


def classify(graph: Graph, factor: FactorNode, known: Mapping[Id, Dependence]) -> Term | None:
    """The factor as the block sees it; ``None`` if it does not move with the block, or weighs nothing."""
    moving = [known[each] for each in factor.arguments if known[each].kind is not Kind.CONSTANT]
    if not moving or factor.weight == 0:
        return None
    worst = max(moving, key=lambda each: each.kind)
    leaf, weight = factor.leaf, factor.weight
    convex = leaf.convex and weight > 0 and worst.kind <= Kind.AFFINE
    through = " ".join(dict.fromkeys(name for each in moving for name in each.through))
    if isinstance(leaf, Smooth) and worst.kind <= Kind.AFFINE:
        quadratic = isinstance(leaf, Quadratic) and all(each.fixed for each in moving)
        promise = ("Quadratic" if isinstance(leaf, Quadratic) else "Smooth") + (f" after Affine {through}" if through else "")
        bound = _bound(_curvature(factor, leaf), moving)
        bounded = all(each.fixed for each in moving)
        return Term(factor.id, "smooth", promise, bound if bounded else "", weight, bounded, quadratic, convex)
    if isinstance(leaf, Proximal) and weight > 0 and [each.kind for each in moving] == [Kind.ITSELF]:
        return Term(factor.id, "rest", "Proximal", f"threshold {weight:.4g} / L", weight, convex=convex)
    if isinstance(leaf, Differentiable) and worst.kind <= Kind.DIFFERENTIABLE:
        promise = "Differentiable" + (f" after {through}" if through else "")
        return Term(factor.id, "smooth", promise, "", weight, bounded=False, convex=False)
    why = f"{leaf.type} of {through or 'several values'}" if isinstance(leaf, Proximal) else f"{leaf.type} after {through}"
    return Term(factor.id, "unsolvable", f"{why}: neither a gradient nor a proximal map", "", weight, False, convex=False)


def _curvature(factor: FactorNode, leaf: Smooth) -> str:
    """The curvature by the factor's own arguments: a number, times the name of what is learned."""
    if factor.parameters:
        return f"{abs(factor.weight):.4g} |{factor.id}|"
    return f"{abs(factor.weight) * float(leaf.curvature({})):.4g}"


def _bound(curvature: str, moving: list[Dependence]) -> str:
    """The constant in symbols: a product along one chain of functions, else the sum over all ways from the block, squared."""
    alone = len(moving) == 1 and moving[0].chain
    if alone:
        return f"L = {curvature}" + "".join(f" |{name}|^2" for name in moving[0].through)
    return f"L = {curvature} (sum of norms of all ways)^2"


def structure_of(terms: tuple[Term, ...], block: tuple[Variable, ...], units: int) -> Structure:
    """What is known of the whole problem. A domain is a part of the rest: an indicator with a projection."""
    domain = domain_of(block)
    smooth = [term for term in terms if term.part == "smooth"]
    rest = [term for term in terms if term.part == "rest"]
    solvable = all(term.part != "unsolvable" for term in terms)
    return Structure(
        differentiable=solvable,
        bounded=solvable and all(term.bounded for term in smooth),
        convex=all(term.convex for term in terms),
        quadratic=solvable and all(term.quadratic for term in smooth),
        proximal=solvable and (bool(rest) or domain != "real"),
        plain=solvable and not rest and domain == "real",
        domain=domain,
        size=units,
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
    terms = tuple(term for key in named.factors if (term := classify(graph, graph.factors[key], known)) is not None)
    structure = structure_of(terms, named.block, plan.units)
    solvers = registry.leaves("solvers")
    kind = str((plan.solver or {}).get("type"))
    cls = solvers.get(kind)
    if cls is None or not issubclass(cls, Solver):
        return f'"{named.id}" has no solver "{kind}"'
    if (plan.terms, plan.domain) != (terms, structure.domain) or (refusal := _refusal(cls, terms, structure)):
        return f'"{kind}" cannot infer "{named.id}"' + (f": it needs {refusal}" if plan.terms == terms else "")
    return "" if plan.kernel in ("gram", "gradient", "") else f'"{named.id}" has no kernel "{plan.kernel}"'


def domain_of(block: tuple[Variable, ...]) -> str:
    """The domain of a block. Real and nonnegative variables may stand together: what is projected is each one's own.

    Anything else that is not alike is *mixed*, and so are several one-hot variables, whose choices would have to be combined.
    """
    domains = {each.domain for each in block}
    if domains <= {"real", "nonnegative"}:
        return "nonnegative" if "nonnegative" in domains else "real"
    return domains.pop() if len(block) == 1 else "mixed"


def _choose(named: Named, terms: tuple[Term, ...], structure: Structure) -> tuple[Solver, str, tuple[str, ...]]:
    wanted: Solver | None = getattr(named.method, "solver", None)
    candidates = {name: cls for name, cls in registry.leaves("solvers").items() if issubclass(cls, Solver)}
    refusals = {name: refusal for name, cls in candidates.items() if (refusal := _refusal(cls, terms, structure))}
    accepting = sorted(
        (name for name in candidates if name not in refusals), key=lambda name: (-_used(candidates[name], structure), name)
    )
    verdicts = tuple(f"{name} will not do: it needs {why}" for name, why in sorted(refusals.items()))
    if wanted is not None:
        if wanted.type in refusals:
            raise SpecError(
                _refused(
                    named,
                    "FG402",
                    f'"{wanted.type}" cannot infer {_block(named)}: it needs {refusals[wanted.type]}',
                    accepting,
                    verdicts,
                )
            )
        return wanted, "named in the spec" + _would_do([each for each in accepting if each != wanted.type]), verdicts
    if not accepting:
        raise SpecError(_refused(named, "FG401", f"no solver can infer {_block(named)}", accepting, verdicts))
    best = accepting[0]
    cls = candidates[best]
    used = [NEEDS[name] for name in NEEDS if name in cls.uses & structure.has() and name not in ("differentiable", "settled")]
    reason = (
        f"uses {_spoken(used)}"
        if used
        else f"the domain is {structure.domain}"
        if structure.domain != "real"
        else "needs only a gradient"
    )
    return cls(type=best), reason + _would_do(accepting[1:]), verdicts


def _refusal(cls: type[Solver], terms: tuple[Term, ...], structure: Structure) -> str:
    """What the solver lacks, and which term lacks it; empty where it accepts."""
    if structure.domain not in cls.domains:
        return f"a domain among {', '.join(sorted(cls.domains))}; this one is {structure.domain}"
    if cls.largest is not None and structure.size > cls.largest:
        return f"at most {cls.largest} units; the block has {structure.size}"
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
        "plain": lambda term: term.part == "rest",
        "settled": lambda term: term.part == "unsolvable",
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
        else "keep non-smooth factors on the variable itself, or infer it by an encoder (method: amortized)"
    )
    return issue(code, message, path, notes=verdicts, allowed=", ".join(accepting), fix=fix)


def _block(named: Named) -> str:
    return " and ".join(each.id for each in named.block)


def _would_do(others: list[str]) -> str:
    return f"; {_spoken(others)} would also do" if others else ""


def _spoken(words: list[str]) -> str:
    return ", ".join(words[:-1]) + f" and {words[-1]}" if len(words) > 1 else "".join(words)


def _kernel(
    graph: Graph, named: Named, structure: Structure, known: Mapping[Id, Dependence], solver: Solver
) -> Literal["gram", "gradient", ""]:
    """The Hessian is worth forming where one product with it costs less than differentiating the energy once more."""
    if structure.domain == "one_hot":
        return ""
    if not structure.quadratic:
        return "gradient"
    if "quadratic" in solver.needs:
        return "gram"
    applied = {
        each.function for each in graph.values.values() if hasattr(each, "function") and known[each.id].kind is not Kind.CONSTANT
    }
    counted = {key for factor in named.factors for each in graph.factors[factor].arguments for key in graph.ancestors(each)}
    used = {each.function for key in counted if hasattr(each := graph.values[key], "function")}
    numbers = sum(prod(parameter.shape) for name in applied & used for parameter in graph.functions[name].parameters.values())
    differentiated = 2 * numbers + structure.size
    return "gram" if structure.size**2 <= GRAM_ADVANTAGE * differentiated else "gradient"
