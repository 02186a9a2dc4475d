"""A plan as people read it: each procedure with its reasons, each phase with what it trains, and what bounds low energy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factorgraph.compile import gradients, kept, phase_specs, sizes, warm
from factorgraph.compile.phases import phases
from factorgraph.compile.plan import describe
from factorgraph.graph.resolve import resolve
from factorgraph.lint.reading import Reading
from factorgraph.lint.strategies import strategies

if TYPE_CHECKING:
    from factorgraph.compile.plan import Plan
    from factorgraph.graph.model import Graph


def explained(graph: Graph, plan: Plan) -> str:
    """What ``factorgraph explain SPEC`` prints."""
    blocks = []
    for each in plan.procedures.values():
        place = graph.spec.document.place(("inference", each.name), on="key")
        told = (warm.describe(graph, each), gradients.describe(graph, each, plan.phases))
        blocks.append("\n".join(filter(None, (describe(each, f"{place.file}:{place.line}"), *told))))
    graphs = {key: resolve(each) for key, each in phase_specs(graph.spec)}
    declared = {key: each for key, _, each in phases(graph.spec)}
    for phase in plan.phases:
        player = "" if phase.player == "model" else f", player {phase.player}"
        lines = [f"phase {phase.phase}{player}: {', '.join(phase.losses)}"]
        lines += [
            f"  infers  {', '.join(phase.procedures) or 'nothing'}",
            f"  trains  {', '.join(phase.parameters) or 'nothing'}",
        ]
        lines += [f"  solves  {each.function:18} {each.reason}" for each in phase.closed]
        lines += [f"  solves  {each.factor:18} {each.reason}" for each in phase.estimates]
        sides = [each for each in plan.phases if each.phase == phase.phase]
        if phase is sides[-1]:
            plans = plan.changed.get(phase.phase, plan.procedures)
            lines += kept.describe(graphs.get(phase.phase, graph), plans, declared[phase.phase], sides)
        blocks.append("\n".join(lines))
    ways = strategies(Reading(graph, plan))
    blocks.append("\n".join(["low energy is bounded by", *(f"  {each}" for each in ways or ("nothing",))]))
    blocks.append(sizes.describe(graph))
    return "\n\n".join(each for each in blocks if each)
