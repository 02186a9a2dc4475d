"""A graph drawn once for each phase: what it trains, what it uses as it is, and what it does not touch."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from factorgraph.compile import phase_specs
from factorgraph.compile.beside import with_procedures
from factorgraph.compile.kept import factors_in, read_in, resting
from factorgraph.compile.phases import phases, read_by
from factorgraph.graph.drawing import Drawing, Node, Strip, draw
from factorgraph.graph.drawing.picture import State
from factorgraph.graph.model import Application, Graph, Id
from factorgraph.graph.resolve import resolve
from factorgraph.losses._loss import LossLeaf

if TYPE_CHECKING:
    from factorgraph.compile.plan import PhasePlan, Plan, ProcedurePlan
    from factorgraph.spec.blocks import Phase


def strip_of(graph: Graph, plan: Plan, open: Sequence[str] = ()) -> Strip:
    """The drawings of all phases in order."""
    graphs = {key: resolve(each) for key, each in phase_specs(graph.spec)}
    found = []
    for number, (key, _, phase) in enumerate(phases(graph.spec)):
        sides = [each for each in plan.phases if each.phase == key]
        found.append(_drawing(graphs.get(key, graph), plan, f"p{number}_", key, phase, sides, open))
    return Strip(graph.spec.title or graph.spec.name, tuple(found), wide=not draw(graph, open=open).across)


def _drawing(
    graph: Graph, plan: Plan, prefix: str, key: str, phase: Phase, sides: Sequence[PhasePlan], open: Sequence[str]
) -> Drawing:
    plans = plan.changed.get(key, plan.procedures)
    running = [plans[name] for name in dict.fromkeys(name for side in sides for name in side.procedures)]
    trained = resting(graph, sides).trained
    factors = factors_in(graph, running, phase)
    inferred = (each for one in running for each in one.block)
    values = graph.leading_to([*read_in(graph, running, phase), *inferred, *_read_by_losses(graph, key, phase)])
    base = with_procedures(graph, draw(graph, open=open))
    columns = tuple(tuple(prefix + each for each in column) for column in base.columns)
    nodes = tuple(replace(each, id=prefix + each.id, state=_state(graph, each, trained, factors, values)) for each in base.nodes)
    edges = tuple(replace(each, tail=prefix + each.tail, head=prefix + each.head) for each in base.edges)
    across = True  # as the strip lays it out, however wide it is
    return Drawing(_title(key, phase, sides), nodes, edges, columns, across, _notes(trained, running), prefix)


def _read_by_losses(graph: Graph, key: str, phase: Phase) -> Iterator[Id]:
    """What losses read beside the energy, and what they put in the place of what is observed."""
    for player, side in phase.sides().items():
        for name, term in side.loss.items():
            yield from (each for ids in read_by(graph, key, phase, player, name).values() for each in ids)
            made = term.loss.stand_ins() if isinstance(term.loss, LossLeaf) else ()
            yield from (each.id for name in made for each in graph.slots_of(name))


def _title(key: str, phase: Phase, sides: Sequence[PhasePlan]) -> str:
    losses = ", ".join(dict.fromkeys(name for each in sides for name in each.losses))
    if 0 in (phase.steps, phase.epochs):
        return f"{key} is left out"
    length = f"{phase.steps} steps" if phase.steps is not None else f"{phase.epochs} times through the data"
    return f"{key}: {losses}, {length}"


def _notes(trained: Collection[str], running: Collection[ProcedurePlan]) -> tuple[str, ...]:
    names = (each.partition(".")[2].removesuffix(".gain").removesuffix(".activation") for each in sorted(trained))
    owners = list(dict.fromkeys(names))
    infers = f"; infers with {', '.join(each.id for each in running)}" if running else ""
    return (f"trains {', '.join(owners) or 'nothing'}{infers}",)


def _state(graph: Graph, node: Node, trained: Collection[str], factors: Collection[str], values: Collection[Id]) -> State:
    if node.kind == "fragment":
        inside = f"{node.of}."
        if any(each.partition(".")[2].startswith(inside) for each in trained):
            return "trained"
        functions = {each.function for key in values if isinstance(each := graph.values[key], Application)}
        return "" if any(each.startswith(inside) for each in (*factors, *values, *functions)) else "unused"
    if node.kind == "factor":
        key = node.of.removeprefix("factor ")
        return "trained" if f"factors.{key}" in trained else "" if key in factors else "unused"
    if node.of not in values:
        return "unused"
    value = graph.values[node.of]
    if node.kind != "function" or not isinstance(value, Application):
        return ""
    own = f"functions.{value.function}"
    return "trained" if any(each == own or each.startswith(f"{own}.") for each in trained) else ""
