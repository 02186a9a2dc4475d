"""Whether a critic's margin lies below every energy that there is."""

from __future__ import annotations

from collections.abc import Iterator

from factorgraph.compile.shaping import shaped
from factorgraph.errors import Issue, address, issue
from factorgraph.graph.model import Graph
from factorgraph.lazy import torch
from factorgraph.lint.reading import Reading
from factorgraph.structure import Square


def check(reading: Reading) -> Iterator[Issue]:
    """FGW274 at margins that squares are above wherever they are: with what they compare alike, a number is left."""
    graph = reading.graph
    for each in shaped(graph, {}, reading.plan.phases):
        margin = each.loss.ceiling()
        if margin is None:  # what has none is told without torch
            continue
        least = [_least(graph, key) for key in each.factors]
        known = [one for one in least if one is not None]
        if known and len(known) == len(least) and sum(known) >= margin:
            what = f"the margin is {margin:g}, and no sample has an energy below {sum(known):.4g}: none is ever pushed up"
            fix = f"{address((*each.path, 'margin'))}: {sum(known) + margin:.4g}, or squared_distance of half the weight"
            yield issue("FGW274", what, (*each.path, "margin"), fix=fix)


def _least(graph: Graph, factor: str) -> float | None:
    """The least that a square without parameters can be, weighted; ``None`` of all else."""
    node = graph.factors[factor]
    every = frozenset(range(len(node.arguments)))
    if node.held or node.weight < 0 or not (isinstance(node.leaf, Square) and node.leaf.keeps(Square, every)):
        return None
    zeros = [torch.zeros(1, *graph.values[key].shape) for key in node.arguments]
    return node.weight * float(node.leaf.energy(*zeros))
