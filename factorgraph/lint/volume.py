"""Whether anything bounds the volume of low energy; if not, whether an encoder can simply copy."""

from __future__ import annotations

from collections.abc import Iterator

from factorgraph.errors import Issue, issue
from factorgraph.graph.model import Variable
from factorgraph.lint.encoder_only import unbounded_filters
from factorgraph.lint.reading import Reading
from factorgraph.lint.strategies import strategies
from factorgraph.structure import Square


def check(reading: Reading) -> Iterator[Issue]:
    """FGW262 where nothing does; FGW263 where the code has room for a copy of what is encoded."""
    if not reading.lowered or strategies(reading) or any(unbounded_filters(reading)):
        return
    for code in reading.codes:
        copied = _copied(reading, code)
        if copied is not None:
            what = f"{code.name} has room for a copy of {copied}: encoder and decoder can learn to pass everything through"
            fix = f"factors.sparsity: {{type: l1, of: {code.name}}}, or give {code.name} fewer units than {copied}"
            yield issue("FGW263", what, ("variables", code.name), on="key", fix=fix)
            return
    what = "learning lowers the energy of the data, and nothing keeps it from being low everywhere"
    first = reading.codes[0].name if reading.codes else ""
    fix = f"factors.sparsity: {{type: l1, of: {first}}}" if first else _without_code(reading)
    yield issue("FGW262", what, ("learning",), on="key", fix=fix)


def _without_code(reading: Reading) -> str:
    """What helps where nothing is inferred: a narrow place on the way back to the data, or where none leads there a loss."""
    compared = [node for node in reading.lowered if reading.observed.intersection(node.arguments)]
    is_way_back = any(isinstance(node.leaf, Square) and len(node.arguments) > 1 for node in compared)
    return "let it pass through a value with fewer units" if is_way_back else reading.other_loss


def _copied(reading: Reading, code: Variable) -> str | None:
    """The observed variable that a function encodes into a code and a function decodes from it, each unit with one to spare."""
    graph = reading.graph
    by = [each for path, ids in graph.entries.items() if "by" in path for each in ids]
    prediction = [each for node in reading.others(code) if code.id in node.arguments for each in node.arguments]
    made = graph.leading_to([*by, *prediction, code.id])
    for node in reading.others(code):
        for each in reading.observed.intersection(node.arguments):
            if each in made and reading.size(code.id) >= reading.size(each):
                return graph.variables[each].name
    return None
