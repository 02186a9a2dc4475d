"""Which factors compare a latent variable with what an encoder predicts of it."""

from __future__ import annotations

from factorgraph.compile.dependence import origin
from factorgraph.graph.model import FactorNode, Graph, Id
from factorgraph.structure import Normalised, Square

BOTH = frozenset({0, 1})


def predictions(graph: Graph) -> dict[str, Id]:
    """Each factor that compares a latent variable, by its square, with what observed ones alone tell -> the variable."""
    found = ((key, _predicted(graph, factor)) for key, factor in graph.factors.items() if factor.weight != 0)
    return {key: variable for key, variable in found if variable is not None}


def _predicted(graph: Graph, factor: FactorNode) -> Id | None:
    leaf = factor.leaf
    if factor.parameters or len(factor.arguments) != 2 or not leaf.keeps(Square, BOTH) or leaf.keeps(Normalised, BOTH):
        return None
    latent = frozenset(each.id for each in graph.of_kind("latent"))
    observed = frozenset(each.id for each in graph.of_kind("observed"))
    for here, there in (factor.arguments, factor.arguments[::-1]):
        if origin(graph, here) in latent and graph.depends(there, observed) and not graph.depends(there, latent):
            return origin(graph, here)
    return None
