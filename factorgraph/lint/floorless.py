"""Whether learning can lower a term of the energy without end."""

from __future__ import annotations

from collections.abc import Iterator

from factorgraph.compile.phases import loss_factors, phases
from factorgraph.errors import Issue, address, issue
from factorgraph.graph.domains import nonnegative
from factorgraph.graph.model import FactorNode
from factorgraph.lint.reading import Reading
from factorgraph.lint.strategies import strategies
from factorgraph.losses._loss import LossLeaf
from factorgraph.structure import Linear


def check(reading: Reading) -> Iterator[Issue]:
    """FGW275 at each factor that is not bounded below, of what a phase learns that only pushes down.

    Where nothing at all bounds the volume of low energy, FGW262 to FGW264 say more.
    """
    if not strategies(reading):
        return
    told: set[str] = set()
    for key, name, phase in phases(reading.graph.spec):
        losses = [(each, each.loss) for side in phase.sides().values() for each in side.loss.values()]
        if len(phase.sides()) > 1 or any(isinstance(loss, LossLeaf) and loss.strategy for _, loss in losses):
            continue
        trained = {each for plan in reading.plan.phases if plan.phase == key for each in plan.parameters}
        seen = [
            loss_factors(reading.graph, phase, term) for term, loss in losses if isinstance(loss, LossLeaf) and loss.sees_energy
        ]
        for node in (reading.graph.factors[each] for factors in seen for each in factors):
            learned = _learned(reading, node, trained)
            if node.weight != 0 and node.name not in told and learned and not reading.is_bounded_below(node):
                told.add(node.name)
                what = f"{node.name} has no least value: by {learned} learning can lower the energy without end"
                yield issue("FGW275", what, ("factors", node.name), on="key", fix=_fix(reading, node, name))


def _learned(reading: Reading, node: FactorNode, trained: set[str]) -> str:
    """What is trained, and by no constraint bounded, on the way into a factor; empty where there is nothing."""
    if any(each.startswith(f"factors.{node.id}.") for each in trained):
        return f"its {next(iter(node.parameters))}"
    for key in sorted(reading.graph.leading_to(node.arguments)):
        made = reading.function(key)
        if made is not None and not made.leaf.is_bounded() and any(each.startswith(f"functions.{made.id}.") for each in trained):
            return made.spelled
    return ""


def _fix(reading: Reading, node: FactorNode, phase: str) -> str:
    """Arguments that cannot be negative, where that makes the factor a sum of what costs; or else a phase without it."""
    arguments, every = node.leaf.arguments(), frozenset(range(len(node.arguments)))
    field = next((key for key in ("between", "of") if hasattr(node.leaf, key)), "")
    if node.weight > 0 and isinstance(node.leaf, Linear) and node.leaf.is_bounded_below(every) and field:
        known = nonnegative(reading.graph, node)
        texts = [each.text if at in known else f"abs({each.text})" for at, each in enumerate(arguments)]
        written = f"[{', '.join(texts)}]" if field == "between" else texts[0]
        return f"{address(('factors', node.name, field))}: {written}"
    return f"{address(('learning', phase, 'without'))}: [{node.name}], or a loss that pushes up somewhere"
