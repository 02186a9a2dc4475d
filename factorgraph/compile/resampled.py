"""Which columns are replaced where a unit is dead: those of functions that write data from a latent variable that is searched."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from factorgraph.compile.dependence import origin
from factorgraph.compile.naming import named_procedures
from factorgraph.compile.phases import phases
from factorgraph.errors import Issue, issue
from factorgraph.graph.model import Application, Graph, Id
from factorgraph.structure import Dense

if TYPE_CHECKING:
    from factorgraph.compile.plan import PhasePlan


@dataclass(frozen=True)
class Columns:
    """The columns of a function, one for each unit of the latent variables that it is applied to, and what they are made like."""

    function: str
    latents: tuple[Id, ...]
    written: Id  # the observed variable whose rows the new columns are


def resampled(graph: Graph, parameters: Collection[str], procedures: Collection[str]) -> tuple[Columns, ...]:
    """What a phase can resample. ``parameters``: addresses that it trains; ``procedures``: those that it runs."""
    named = named_procedures(graph)
    searched = {each.id for key in procedures if named[key].method.searches for each in named[key].block}
    applied: dict[str, dict[Id, None]] = {}
    for value in graph.values.values():
        if isinstance(value, Application) and value.method == "forward" and len(value.arguments) == 1:
            applied.setdefault(value.function, {})[origin(graph, value.arguments[0])] = None
    found = []
    for key, latents in applied.items():
        node = graph.functions[key]
        free = isinstance(node.leaf, Dense) and not node.leaf.constraints().get("orthonormal", False)
        written = [each.id for each in graph.of_kind("observed") if prod(each.shape) == prod(node.result)]
        if free and written and f"functions.{key}.matrix" in parameters and searched.issuperset(latents):
            found.append(Columns(key, tuple(latents), written[0]))
    return tuple(found)


def check_resampled(base: Graph, graphs: Mapping[str, Graph], plans: Collection[PhasePlan]) -> Iterator[Issue]:
    """FG553: phases that say what to do with dead units and can do nothing."""
    for key, name, phase in phases(base.spec):
        if phase.on_dead is None:
            continue
        own = [each for each in plans if each.phase == key]
        parameters = {address for each in own for address in each.parameters}
        procedures = {procedure for each in own for procedure in each.procedures}
        if not resampled(graphs.get(key, base), parameters, procedures):
            what = f'phase "{name}" has no column to resample'
            fix = "leave on_dead out; or train a linear function from a latent variable that an argmin infers to data"
            yield issue("FG553", what, ("learning", name, "on_dead"), fix=fix)
