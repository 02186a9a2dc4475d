"""Whether an energy of filters alone can be lowered by making the filters short."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from factorgraph.errors import Issue, issue
from factorgraph.graph.model import FunctionNode
from factorgraph.lint.reading import Reading


def check(reading: Reading) -> Iterator[Issue]:
    """FGW264 at each filter that nothing decodes and nothing bounds, under a loss that only pushes down."""
    if any(each.strategy for each in reading.losses):
        return
    for node in unbounded_filters(reading):
        what = f"nothing is reconstructed: {node.spelled} lowers the energy of everything by shrinking to zero"
        yield issue("FGW264", what, ("functions", node.spelled), on="key", fix=_bounding(reading, node))


def _bounding(reading: Reading, node: FunctionNode) -> str:
    """A constraint that keeps filters apart: all of norm 1 could become the one that answers least. Or else another loss."""
    fields = reading.graph.spec.functions[node.spelled].cls.model_fields
    if "orthonormal" not in fields or "matrix" not in node.parameters:
        return reading.other_loss
    count, *reads = node.parameters["matrix"].shape
    return f"functions.{node.spelled}.{'orthonormal' if count <= prod(reads) else 'unit_norm'}: rows"


def unbounded_filters(reading: Reading) -> Iterator[FunctionNode]:
    """The first function behind each factor, where all factors learn from observed variables and compare them with nothing."""
    graph = reading.graph
    found: dict[str, FunctionNode] = {}
    for factor in reading.lowered:
        behind = graph.leading_to(factor.arguments)
        latent = [each for each in behind if each in graph.variables and graph.variables[each].kind == "latent"]
        learned = [each for each in map(reading.function, behind) if each is not None and each.parameters]
        if len(factor.arguments) != 1 or latent or factor.parameters or not learned:
            return
        found |= {each.spelled: each for each in learned if not each.leaf.is_bounded()}
    yield from found.values()
