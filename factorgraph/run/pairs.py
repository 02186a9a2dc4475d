"""What a factor compares a variable with."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from factorgraph.compile.dependence import origin
from factorgraph.graph.model import Application, Constant, FactorNode, Graph, Variable
from factorgraph.lazy import torch
from factorgraph.structure import Selection

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.run.measured import Measured

Pair = tuple[str, str]  # value ids: what was observed, what is computed


def compared_pair(on: Measured, fits: Callable[[Variable], bool]) -> Pair | None:
    """An observed variable that fits, and what the first factor that compares it with anything computed compares it with.

    Where both are seen through one function, as through a crop, it is what is behind it.
    """
    for factor in on.graph.factors.values():
        for seen in compared(factor):
            named, made = alike(on.graph, *seen)
            one, other = on.graph.values[origin(on.graph, named)], on.graph.values[made]
            observed = isinstance(one, Variable) and one.kind == "observed" and fits(one)
            computed = not isinstance(other, Constant) and not (isinstance(other, Variable) and other.kind != "derived")
            if observed and computed and not on.graph.depends(named, frozenset({made})):
                return one.id, made
    return None


def compared(factor: FactorNode) -> list[Pair]:
    """The two values that a factor compares, either way round; none where it compares nothing."""
    if len(factor.arguments) != 2:
        return []
    one, other = factor.arguments
    return [(one, other), (other, one)]


def alike(graph: Graph, one: str, other: str) -> Pair:
    """Two values without the functions that are applied to both alike."""
    a, b = graph.values[one], graph.values[other]
    while isinstance(a, Application) and isinstance(b, Application) and (a.function, a.method) == (b.function, b.method):
        if len(a.arguments) != 1 or a.output != b.output:
            break
        a, b = graph.values[a.arguments[0]], graph.values[b.arguments[0]]
    return a.id, b.id


def as_compared(graph: Graph, pair: Pair) -> Pair:
    """The two values of a pair as a factor compares them: through what is applied to both alike, where anything is."""
    for factor in graph.factors.values():
        for one, other in compared(factor):
            named, made = alike(graph, one, other)
            if (origin(graph, named), made) == pair:
                return one, other
    return pair


def cropped(on: Measured, pair: Pair, pictures: Tensor) -> Tensor:
    """Pictures of the pair's observed variable, (rows, [channels,] height, width), without what no factor compares of it.

    They stay whole where both are compared through anything else than a choice of pixels.
    """
    graph, (observed, _) = on.graph, pair
    variable, seen = graph.variables[observed], graph.values[as_compared(graph, pair)[0]]
    value, chooses = seen, pictures[0].numel() == math.prod(variable.shape)
    while chooses and isinstance(value, Application):
        chooses = graph.functions[value.function].leaf.keeps(Selection) and len(value.arguments) == 1
        value = graph.values[value.arguments[0]]
    if not chooses or not isinstance(seen, Application):
        return pictures
    with torch.no_grad():
        given = {observed: pictures.reshape(-1, *variable.shape).to(next(on.model.parameters()))}
        chosen = on.model.evaluate((seen.id,), **given)[seen.id].cpu()
    return chosen.reshape(len(pictures), *chosen.shape[1 + chosen.dim() - pictures.dim() :])


def is_reconstruction(on: Measured, pair: Pair) -> bool:
    """Whether the second is made of the first, or of latents alone; else it is a prediction from something else."""
    return all(each.kind != "observed" or each.id == pair[0] for each in sources(on, pair[1]))


def sources(on: Measured, value: str) -> list[Variable]:
    """The variables that a value is computed from, derived ones left out."""
    return [each for each in on.graph.variables.values() if each.kind != "derived" and each.id in on.graph.ancestors(value)]
