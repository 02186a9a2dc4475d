"""A plan as people read it: each procedure with its reasons, each phase with what it trains, and what bounds low energy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factorgraph.compile import gradients, sizes, warm
from factorgraph.compile.plan import describe
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
    for phase in plan.phases:
        player = "" if phase.player == "model" else f", player {phase.player}"
        lines = [f"phase {phase.phase}{player}: {', '.join(phase.losses)}"]
        lines += [
            f"  infers  {', '.join(phase.procedures) or 'nothing'}",
            f"  trains  {', '.join(phase.parameters) or 'nothing'}",
        ]
        lines += [f"  solves  {each.function:18} {each.reason}" for each in phase.closed]
        blocks.append("\n".join(lines))
    ways = strategies(Reading(graph, plan))
    blocks.append("\n".join(["low energy is bounded by", *(f"  {each}" for each in ways or ("nothing",))]))
    blocks.append(sizes.describe(graph))
    return "\n\n".join(each for each in blocks if each)
