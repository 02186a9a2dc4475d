"""Whether what is to become a difference can only take values between two numbers."""

from __future__ import annotations

from collections.abc import Iterator

from factorgraph.compile.slope import unnamed
from factorgraph.errors import Issue, address, issue
from factorgraph.graph.model import Id, Operation
from factorgraph.lint.reading import Reading


def check(reading: Reading) -> Iterator[Issue]:
    """FGW271 at a function of limited results that stands for a difference, or is compared with one."""
    graph = reading.graph
    pairs = [(each.id, each.stands_for) for each in graph.of_kind("derived") if each.stands_for is not None]
    pairs += [(one, other) for node in reading.lowered for one in node.arguments for other in node.arguments if one != other]
    found: dict[str, Id] = {}
    for made, target in pairs:
        function = reading.function(unnamed(graph, made))
        if function is not None and function.leaf.is_limited() and _is_difference(reading, target):
            found.setdefault(function.spelled, target)
    for name, target in found.items():
        what = f"{name} gives values between two numbers, and {target} is a difference, which may be larger and is mostly small"
        declared = graph.spec.functions.get(name)
        fields = declared.cls.model_fields if declared is not None else {}
        option = next((each for each in ("last", "activation") if each in fields), None)
        fix = f"{address(('functions', name, option))}: identity" if option else "let a linear function be the last"
        yield issue("FGW271", what, ("functions", name) if declared else ("factors",), on="key", fix=fix)


def _is_difference(reading: Reading, key: Id) -> bool:
    value = reading.graph.values[unnamed(reading.graph, key)]
    return isinstance(value, Operation) and value.operator == "-"
