"""The domain, in the words of variables, in which a value is known to lie."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from factorgraph.graph.model import Application, Constant, FactorNode, Graph, Id, Variable

_CHOICES = frozenset({"simplex", "one_hot"})
_INSIDE: Mapping[str, frozenset[str]] = {  # domains that lie in the hull of one
    "one_hot": _CHOICES,
    "simplex": _CHOICES,
    "binary": _CHOICES | {"binary"},
    "nonnegative": _CHOICES | {"binary", "nonnegative"},
}


def domain_of(graph: Graph, key: Id) -> str:
    """That of a variable, or of what a function makes of anything; *real* where no more is known."""
    value = graph.values[key]
    if isinstance(value, Variable):
        return value.domain if value.definition is None else domain_of(graph, value.definition)
    if isinstance(value, Constant):
        return "nonnegative" if value.value >= 0 else "real"
    plain = isinstance(value, Application) and value.method == "forward" and value.output is None
    return graph.functions[value.function].leaf.domain() if isinstance(value, Application) and plain else "real"


def nonnegative(graph: Graph, factor: FactorNode) -> frozenset[int]:
    """The positions of the arguments that are known to be at least 0."""
    inside = _INSIDE["nonnegative"]
    return frozenset(position for position, key in enumerate(factor.arguments) if domain_of(graph, key) in inside)


def outside(graph: Graph, factor: FactorNode) -> Iterator[tuple[int, str]]:
    """The arguments that are not known to lie where the factor's promises rely on: their positions, with the domain meant."""
    for position, key in enumerate(factor.arguments):
        meant = "real" if factor.leaf.anywhere else factor.leaf.domain(position)
        if meant != "real" and domain_of(graph, key) not in _INSIDE[meant]:
            yield position, meant
