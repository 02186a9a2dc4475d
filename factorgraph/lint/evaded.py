"""Whether a code that is to move little can shrink while a free decoder makes up for it."""

from __future__ import annotations

from collections.abc import Iterator

from factorgraph.compile.phases import phases, read_by
from factorgraph.compile.slope import unnamed
from factorgraph.errors import Issue, address, issue
from factorgraph.graph.model import FunctionNode, Id
from factorgraph.lint.reading import Reading
from factorgraph.losses._loss import LossLeaf


def check(reading: Reading) -> Iterator[Issue]:
    """FGW270 at each function that reads such a code, learns, and is neither bounded nor one of those that make it."""
    found: dict[str, str] = {}
    for code in _still(reading):
        for node in _readers(reading, code):
            found.setdefault(node.spelled, code)
    for name, code in found.items():
        what = f"{name} can grow while {code} shrinks: the derivative of {code} falls, and nothing that is reconstructed changes"
        bounded = "max_column_norm" in reading.graph.spec.functions[name].cls.model_fields
        fix = f"bound what {name} learns, or tie it to what makes {code}"
        fix = f"{address(('functions', name, 'max_column_norm'))}: 1" if bounded else fix
        yield issue("FGW270", what, ("functions", name), on="key", fix=fix)


def _still(reading: Reading) -> Iterator[Id]:
    """The values whose derivative by the data a loss lowers."""
    for key, _, phase in phases(reading.graph.spec):
        for player, side in phase.sides().items():
            for name, term in side.loss.items():
                if isinstance(term.loss, LossLeaf) and "motion" in term.loss.needs() and term.weight:
                    for ids in read_by(reading.graph, key, phase, player, name).values():
                        yield from ids


def _readers(reading: Reading, code: Id) -> Iterator[FunctionNode]:
    graph = reading.graph
    root = unnamed(graph, code)
    own = {made.spelled for each in graph.ancestors(root) if (made := reading.function(each)) is not None}
    for key in graph.leading_to(each for node in reading.lowered for each in node.arguments):
        made = reading.function(key)
        reads = any(unnamed(graph, each) == root for each in graph.values[key].arguments)
        if reads and made is not None and made.parameters and made.spelled not in own and not made.leaf.is_bounded():
            yield made
