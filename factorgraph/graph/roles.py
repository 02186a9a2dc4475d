"""Encoders and decoders: nobody types them, the graph shows which way a function leads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import permutations
from typing import Literal

from factorgraph.errors import Issue, issue
from factorgraph.graph.domains import outside
from factorgraph.graph.model import Application, FunctionNode, Graph, Id, Variable

Role = Literal["encoder", "decoder", ""]


def with_roles(graph: Graph) -> Graph:
    """The graph with the role of each function.

    One on a path from observed to a comparison with latent variables is an encoder, one on a path from latent to a comparison
    with observed variables a decoder; one that is both, or neither, has no role.
    """
    found: dict[str, set[Role]] = {key: set() for key in graph.functions}
    kinds = _kinds(graph)
    compared: dict[frozenset[str], list[Id]] = {frozenset({"latent"}): [], frozenset({"observed"}): []}
    for value, other in _comparisons(graph):
        compared.get(kinds[other] & {"latent", "observed"}, []).append(value)
    ways: tuple[tuple[str, str, Role], ...] = (("observed", "latent", "encoder"), ("latent", "observed", "decoder"))
    for source, against, role in ways:
        for value_id in graph.leading_to(compared[frozenset({against})]):
            application = graph.values[value_id]
            if isinstance(application, Application) and source in kinds[value_id]:
                found[application.function].add(role)
    functions = {key: replace(node, role=_only(found[key])) for key, node in graph.functions.items()}
    return replace(graph, functions=functions)


def _only(roles: set[Role]) -> Role:
    return next(iter(roles)) if len(roles) == 1 else ""


def _kinds(graph: Graph) -> Mapping[Id, frozenset[str]]:
    """The kinds of variables that each value is computed from."""
    known: dict[Id, frozenset[str]] = {}
    for value_id, value in graph.values.items():
        own = frozenset({value.kind} if value_id in graph.variables else ())  # type: ignore[union-attr]  # these are variables
        known[value_id] = own.union(*(known[each] for each in value.arguments))
    return known


def _comparisons(graph: Graph) -> Iterable[tuple[Id, Id]]:
    """Pairs (a value, what it is compared with): by factors, and by procedures that give a latent its value."""
    for factor in graph.factors.values():
        yield from permutations(factor.arguments, 2)
    for path, ids in graph.entries.items():
        for field in ("by", "start"):
            if path[0] == "inference" and field in path[2:]:
                at = path.index(field, 2)
                block = graph.entries.get((*path[:at], "of"), ())
                named = [each for each in block if len(path) == at + 1 or graph.variables[each].name == path[at + 1]]
                yield from zip(ids, named, strict=False)


def unit_by_unit(graph: Graph, variables: Iterable[Id]) -> frozenset[Id]:
    """The values each unit of which means what the same unit of one of some variables does.

    Those that are compared with one of them, stand for one, or are made of one unit by unit: through no matrix. Of two values
    that are compared through one function, as through a crop, what is behind it is alike as well.
    """
    alike: dict[Id, set[Id]] = {key: set() for key in graph.values}

    def tie(one: Id, other: Id) -> None:
        a, b = graph.values[one], graph.values[other]
        if a.shape == b.shape:
            alike[one].add(other)
            alike[other].add(one)
        if one != other and isinstance(a, Application) and isinstance(b, Application) and a.function == b.function:
            for pair in zip(a.arguments, b.arguments, strict=False):
                tie(*pair)

    for key, value in graph.values.items():
        mixes = isinstance(value, Application) and _mixes(graph.functions[value.function])
        for other in () if mixes else value.arguments:
            tie(key, other)
        if isinstance(value, Variable) and value.stands_for is not None:
            tie(key, value.stands_for)
    for one, other in _comparisons(graph):
        tie(one, other)
    found, todo = set(variables), list(variables)
    while todo:
        more = alike[todo.pop()] - found
        found |= more
        todo += more
    return frozenset(found)


def _mixes(node: FunctionNode) -> bool:
    return any(len(each.shape) > 1 for each in node.parameters.values())


def warnings(graph: Graph) -> tuple[Issue, ...]:
    """Names that do nothing, and choices that nobody calls choices: most likely slips."""
    used = graph.leading_to(each for factor in graph.factors.values() for each in factor.arguments)
    read = used | graph.leading_to(each for ids in graph.entries.values() for each in ids)
    found: list[Issue] = []
    for name, declared in graph.spec.variables.items():
        slots = graph.slots_of(name)
        kind = slots[0].kind if slots else ""
        if kind == "latent" and used.isdisjoint(each.id for each in slots):
            fix = "let a factor read it, or remove it"
            message = f"no factor touches the latent variable {name}: its value is free"
            found.append(issue("FGW250", message, declared.path, fix=fix))
        if kind == "observed" and read.isdisjoint(each.id for each in slots):
            fix = "let a factor read it, or remove it"
            found.append(issue("FGW251", f"the observed variable {name} is never read", declared.path, fix=fix))
    applied = {node.spelled for node in graph.functions.values()}
    for name, function in graph.spec.functions.items():
        if name not in applied and not _is_an_argument(name, graph):
            found.append(issue("FGW252", f"the function {name} is never applied", function.path, fix="apply it, or remove it"))
    return (*found, *_unsaid(graph))


def _unsaid(graph: Graph) -> Iterable[Issue]:
    """Arguments that a factor means to have a domain that nothing says."""
    told: set[str] = set()
    for factor in graph.factors.values():
        for position, domain in outside(graph, factor) if factor.name not in told else ():
            told.add(factor.name)
            value = factor.arguments[position]
            message = f"{factor.leaf.type} means {value} to be {domain}, and nothing says that it is: searches rely on less"
            fix = f"domain: {domain}" if value in graph.variables else "softmax, or a variable that has this domain"
            yield issue("FGW253", message, ("factors", factor.name), fix=fix)


def _is_an_argument(name: str, graph: Graph) -> bool:
    """Whether a function is mentioned by another entry as it is: ``mirror: encoder``, ``log_det`` of a function."""
    spec = graph.spec
    written = [*(each.values for each in spec.functions.values()), *(entry.leaf.values for entry in spec.factors.values())]
    return any(name == each for values in written for each in values.values() if isinstance(each, str))
