"""What a factor compares an observed variable with."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from factorgraph.graph.model import Application, Constant, Graph, Variable

if TYPE_CHECKING:
    from factorgraph.run.measured import Measured

Pair = tuple[str, str]  # value ids: what was observed, what is computed


def compared_pair(on: Measured, fits: Callable[[Variable], bool]) -> Pair | None:
    """An observed variable that fits, and what the first factor that compares it with anything computed compares it with.

    Where both are seen through one function, as through a crop, it is what is behind it.
    """
    for factor in on.graph.factors.values():
        if len(factor.arguments) != 2:
            continue
        pair = _uncovered(on.graph, *factor.arguments)
        for observed, made in (pair, pair[::-1]):
            one, other = on.graph.values[observed], on.graph.values[made]
            seen = isinstance(one, Variable) and one.kind == "observed" and fits(one)
            computed = not isinstance(other, Constant) and not (isinstance(other, Variable) and other.kind != "derived")
            if seen and computed and not on.graph.depends(observed, frozenset({made})):
                return observed, made
    return None


def _uncovered(graph: Graph, one: str, other: str) -> Pair:
    """Two values without the functions that are applied to both alike."""
    a, b = graph.values[one], graph.values[other]
    while isinstance(a, Application) and isinstance(b, Application) and (a.function, a.method) == (b.function, b.method):
        if len(a.arguments) != 1 or a.output != b.output:
            break
        a, b = graph.values[a.arguments[0]], graph.values[b.arguments[0]]
    return a.id, b.id


def is_reconstruction(on: Measured, pair: Pair) -> bool:
    """Whether the second is made of the first, or of latents alone; else it is a prediction from something else."""
    return all(each.kind != "observed" or each.id == pair[0] for each in sources(on, pair[1]))


def sources(on: Measured, value: str) -> list[Variable]:
    """The variables that a value is computed from, derived ones left out."""
    return [each for each in on.graph.variables.values() if each.kind != "derived" and each.id in on.graph.ancestors(value)]
