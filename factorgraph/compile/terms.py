"""The energy as a block of variables sees it: each factor classed by its promises and by how its arguments move."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import prod

from factorgraph.compile.dependence import Dependence, Kind, moving_in, origin
from factorgraph.compile.plan import Term
from factorgraph.graph.domains import outside
from factorgraph.graph.model import Application, FactorNode, Graph, Id, Variable
from factorgraph.inference import domains
from factorgraph.structure import (
    Absolute,
    Differentiable,
    Grouping,
    Linear,
    Normalised,
    Proximal,
    Quadratic,
    Smooth,
    Square,
    Structure,
)


def terms_of(
    graph: Graph, factors: Iterable[str], known: Mapping[Id, Dependence], block: tuple[Variable, ...]
) -> tuple[Term, ...]:
    """The terms of some factors over a block."""
    found = (classify(graph.factors[key], known, graph) for key in factors)
    return _composed(graph, tuple(term for term in found if term is not None), known, block)


def classify(factor: FactorNode, known: Mapping[Id, Dependence], graph: Graph) -> Term | None:
    """The factor as the block sees it; ``None`` if it does not move with the block, or weighs nothing."""
    moving = moving_in(factor, known)
    if not moving or factor.weight == 0:
        return None
    leaf, weight = factor.leaf, factor.weight
    parts = [known[factor.arguments[position]] for position in sorted(moving)]
    worst = max(part.kind for part in parts)
    through = " ".join(dict.fromkeys(name for part in parts for name in part.through))
    known_there = moving.issuperset(position for position, _ in outside(graph, factor))
    if known_there and leaf.keeps(Smooth, moving) and worst <= Kind.AFFINE:
        return _smooth(factor, parts, moving, through)
    alone = [part.kind for part in parts] == [Kind.ITSELF]
    if known_there and leaf.keeps(Proximal, moving) and weight > 0 and alone and not factor.parameters:
        convex = leaf.is_convex(moving)
        return Term(factor.id, "rest", "Proximal", _threshold(factor), weight, convex=convex, magnitude=magnitude(factor, moving))
    if grouped(factor, known, graph) is not None and weight > 0:
        return Term(factor.id, "rest", f"Proximal after Grouping {through}", f"{_threshold(factor)} by group", weight)
    if leaf.keeps(Differentiable, moving) and worst <= Kind.DIFFERENTIABLE:
        convex = known_there and leaf.is_convex(moving) and weight > 0 and worst <= Kind.AFFINE
        return Term(factor.id, "smooth", _after("Differentiable", through, worst), "", weight, bounded=False, convex=convex)
    if leaf.keeps(Proximal, moving) and weight < 0 and alone:
        return _unsolvable(factor, f"{leaf.type} of a negative weight, {weight:g}: that has no proximal map")
    after = f"{leaf.type} after {through}" if through else leaf.type
    what = f"{leaf.type} of {through or 'several values'}" if leaf.keeps(Proximal, moving) else after
    return _unsolvable(factor, f"{what}: neither a gradient nor a proximal map")


def linear(factor: FactorNode, known: Mapping[Id, Dependence], graph: Graph) -> bool:
    """Whether a factor is an affine function of the block, as it is of what does not touch it."""
    moving = moving_in(factor, known)
    there = moving.issuperset(position for position, _ in outside(graph, factor))
    affine = all(known[factor.arguments[position]].kind <= Kind.AFFINE for position in moving)
    return not moving or (there and affine and factor.leaf.keeps(Linear, moving))


def _smooth(factor: FactorNode, parts: list[Dependence], moving: frozenset[int], through: str) -> Term:
    """A smooth factor of affine arguments. One without a Hessian is convex and bounded, whatever weighs it."""
    leaf, weight = factor.leaf, factor.weight
    fixed = all(part.fixed for part in parts)
    if leaf.keeps(Linear, moving):
        return Term(factor.id, "smooth", _after("Linear", through), "L = 0", weight, quadratic=True)
    quadratic = leaf.keeps(Quadratic, moving)
    own = quadratic and not (fixed and not leaf.varies(moving))
    promise = _after("Quadratic" if quadratic else "Smooth", through) + (", by sample" if own else "")
    bound = _bound(_curvature(factor), parts) if fixed else ""
    convex = leaf.is_convex(moving) and weight > 0
    return Term(factor.id, "smooth", promise, bound, weight, bounded=fixed, quadratic=quadratic, convex=convex, own=own)


def _after(promise: str, through: str, kind: Kind = Kind.AFFINE) -> str:
    return promise + (f" after {'Affine ' if kind <= Kind.AFFINE else ''}{through}" if through else "")


def _unsolvable(factor: FactorNode, why: str) -> Term:
    return Term(factor.id, "unsolvable", why, "", factor.weight, False, convex=False)


def _threshold(factor: FactorNode) -> str:
    """What a unit must exceed to be active, in symbols."""
    if factor.target is None:
        return f"threshold {factor.weight:.4g} / L"
    return f"threshold weight / L, weight {factor.target}"


def _curvature(factor: FactorNode) -> str:
    """The curvature by the factor's own arguments: a number, times the name of what is learned."""
    if factor.parameters:
        return f"{abs(factor.weight):.4g} |{factor.id}|"
    assert isinstance(factor.leaf, Smooth), "only smooth factors have a curvature"
    return f"{abs(factor.weight) * float(factor.leaf.curvature({})):.4g}"


def _bound(curvature: str, moving: list[Dependence]) -> str:
    """The constant in symbols: a product along one chain of functions, else the sum over all ways from the block, squared."""
    if len(moving) == 1 and moving[0].chain:
        return f"L = {curvature}" + "".join(f" |{name}|^2" for name in moving[0].through)
    return f"L = {curvature} (sum of norms of all ways)^2"


def sums_squares(factor: FactorNode, moving: frozenset[int]) -> bool:
    """Whether the term is a sum of squares without a number beside it, as a duality gap asks."""
    return factor.leaf.keeps(Square, moving) and not factor.leaf.keeps(Normalised, moving)


def has_gap(
    graph: Graph, terms: Iterable[Term], block: Iterable[Variable], known: Mapping[Id, Dependence]
) -> bool:
    """Whether convex terms have a duality gap: all that is smooth is squares, and the magnitudes of each variable's units, or
    the lengths of its groups, have a weight."""
    found = [(term, graph.factors[term.factor]) for term in terms]
    squares = all(term.quadratic and sums_squares(each, moving_in(each, known)) for term, each in found if term.part != "rest")
    norms = [each for term, each in found if term.part == "rest" and (term.magnitude or grouped(each, known, graph) is not None)]
    weighed = {variable_of(each, known, graph) for each in norms if each.weight > 0}
    return squares and all(each.id in weighed for each in block)


def has_groups(graph: Graph, terms: Iterable[Term], known: Mapping[Id, Dependence]) -> bool:
    """Whether the rest is lengths of groups and nothing else but magnitudes."""
    rest = [(term, grouped(graph.factors[term.factor], known, graph)) for term in terms if term.part == "rest"]
    return any(lengths for _, lengths in rest) and all(term.magnitude or lengths is not None for term, lengths in rest)


def grouped(factor: FactorNode, known: Mapping[Id, Dependence], graph: Graph) -> Application | None:
    """The lengths of groups of a variable of the block whose sum a factor is, if it is one."""
    if not magnitude(factor, moving_in(factor, known)):
        return None
    value = graph.values[origin(graph, factor.arguments[0])]
    if not isinstance(value, Application) or value.output is not None or value.method != "forward":
        return None
    measures = graph.functions[value.function].leaf.keeps(Grouping) and len(value.arguments) == 1
    return value if measures and known[value.arguments[0]].kind is Kind.ITSELF else None


def variable_of(factor: FactorNode, known: Mapping[Id, Dependence], graph: Graph) -> Id:
    """The variable that a proximal term moves with."""
    groups = grouped(factor, known, graph)
    (position,) = moving_in(factor, known)
    return origin(graph, factor.arguments[position] if groups is None else groups.arguments[0])


def magnitude(factor: FactorNode, moving: frozenset[int]) -> bool:
    """Whether a proximal term is the sum of magnitudes of a variable, not shifted by anything."""
    return factor.leaf.keeps(Absolute, moving) and len(factor.arguments) == 1


def _composed(
    graph: Graph, terms: tuple[Term, ...], known: Mapping[Id, Dependence], block: tuple[Variable, ...]
) -> tuple[Term, ...]:
    """The same terms. A proximal one that cannot be had together with the domain, or with those before it, is unsolvable."""
    domain_at = {each.id: each.domain for each in block}
    before: dict[Id, list[FactorNode]] = {}  # the proximal terms of each variable

    def settled(term: Term) -> Term:
        if term.part != "rest":
            return term
        factor = graph.factors[term.factor]
        variable = variable_of(factor, known, graph)
        others = before.setdefault(variable, [])
        why = _clash(factor, domain_at[variable], others, known, graph)
        others.append(factor)
        if why:
            return _unsolvable(factor, why)
        constant = domain_at[variable] == "simplex"
        return replace(term, bound="constant: the units add up to 1") if constant else term

    return tuple(settled(term) for term in terms)


def _clash(factor: FactorNode, domain: str, others: list[FactorNode], known: Mapping[Id, Dependence], graph: Graph) -> str:
    """What is in the way of a proximal map, if anything.

    Shrinking by one weight and then by another is shrinking by their sum, and groups may be shrunk after their units; no other
    two maps may simply follow each other. For a convex function of one unit at a time, keeping it nonnegative is a projection
    afterwards, but before its group is shrunk.
    """
    leaf, moving = factor.leaf, moving_in(factor, known)
    if domain in domains.FINITE:
        return ""
    groups = [each for each in (*others, factor) if grouped(each, known, graph) is not None]
    plain = all(magnitude(each, moving_in(each, known)) for each in (*others, factor))
    if plain and len(groups) <= (domain != "simplex"):
        return ""
    if others:
        what = "only magnitudes, as of l1, and once those of lengths of groups, have a proximal map together"
        return f"{leaf.type} beside {others[-1].id}: {what}"
    assert isinstance(leaf, Proximal), "only proximal factors are in the rest"
    if domain == "simplex" or (domain == "nonnegative" and not (leaf.separable and leaf.is_convex(moving))):
        return f"{leaf.type} of {domain} values: no proximal map of both together"
    return ""


def structure_of(terms: tuple[Term, ...], block: tuple[Variable, ...], units: int) -> Structure:
    """What is known of the whole problem. A domain is a part of the rest: an indicator with a projection."""
    domain = domain_of(block)
    smooth = [term for term in terms if term.part == "smooth"]
    rest = [term for term in terms if term.part == "rest"]
    solvable = all(term.part != "unsolvable" for term in terms)
    finite = all(each.domain in domains.FINITE for each in block)
    return Structure(
        differentiable=solvable,
        bounded=solvable and all(term.bounded for term in smooth),
        convex=all(term.convex for term in terms),
        quadratic=solvable and all(term.quadratic for term in smooth),
        proximal=solvable and (bool(rest) or domain != "real"),
        plain=solvable and not rest and domain == "real",
        domain=domain,
        size=units,
        shared=not any(term.own for term in terms),
        magnitudes=all(term.magnitude for term in rest) and domain != "simplex" and len({each.domain for each in block}) == 1,
        choices=prod(domains.count(each.domain, prod(each.shape)) for each in block) if finite else 0,
    )


def domain_of(block: tuple[Variable, ...]) -> str:
    """The domain of a block. Variables that are projected each on its own stand together, and so do those that can be tried.

    The narrowest names the first kind; of the second, those that are not alike are *finite*. Both kinds together are *mixed*.
    """
    found = {each.domain for each in block}
    if found.issubset(domains.CONTINUOUS):
        return max(found, key=domains.CONTINUOUS.index, default="real")
    if found.issubset(domains.FINITE):
        return found.pop() if len(found) == 1 else "finite"
    return "mixed"
