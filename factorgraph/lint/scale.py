"""Whether a code can shrink while what reads it grows, so that a prior on the code costs nothing in the end."""

from __future__ import annotations

from collections.abc import Iterator

from factorgraph.compile.dependence import dependences, moving_in
from factorgraph.errors import Issue, address, issue
from factorgraph.graph.model import Constant, FactorNode, Variable
from factorgraph.lint.reading import Reading
from factorgraph.structure import Quadratic

FINITE = ("one_hot", "binary", "simplex")


def check(reading: Reading) -> Iterator[Issue]:
    """FGW260 where magnitudes are counted, FGW261 where squares are: a most likely code under a free decoder."""
    for code in reading.codes:
        priors = [each for each in reading.priors(code) if _feels_scale(reading, code, each)]
        free = _absorber(reading, code)
        if code.kind != "latent" or code.domain in FINITE or code.id in reading.summed or not priors or free is None:
            continue
        prior = priors[0]
        squares = all(
            each.leaf.keeps(Quadratic, moving_in(each, dependences(reading.graph, frozenset({code.id})))) for each in priors
        )
        what = f"{free} can grow while {code.name} shrinks: the energy falls, and {prior.name} loses its say"
        if squares:
            what = f"{what}; the most likely {code.name} is not what the likelihood of the data averages over"
        bound = address(("functions", free, "unit_norm"))
        fix = f"{bound}: columns" if _is_affine(reading, free) else f"bound what {free} learns"
        yield issue("FGW261" if squares else "FGW260", what, ("functions", free), on="key", fix=fix)


def _feels_scale(reading: Reading, code: Variable, node: FactorNode) -> bool:
    """Whether the prior draws the code as it is towards zero, and learns nothing by which it could follow the code's size."""
    others = [reading.graph.values[each] for each in node.arguments if not reading.names(each, code)]
    at_zero = all(isinstance(each, Constant) and each.value == 0 for each in others)
    return not node.parameters and at_zero and len(others) < len(node.arguments)


def _absorber(reading: Reading, code: Variable) -> str | None:
    """The free function that takes up the code's size in the first factor that compares it, if every factor has one.

    What is compared with the code itself follows it only where it is learned: an encoder shrinks along.
    """
    found: list[str] = []
    for node in reading.others(code):
        readers = reading.readers(code, node)
        direct = [each for each in node.arguments if reading.names(each, code)]
        others = [reading.function(each) for each in node.arguments if each not in direct]
        if direct and not all(made is not None and made.parameters and not made.leaf.is_bounded() for made in others):
            return None
        if any(each.leaf.is_bounded() for each in readers) or not (readers or direct):
            return None
        found += [each.spelled for each in readers]
    return found[0] if found else None


def _is_affine(reading: Reading, name: str) -> bool:
    return "unit_norm" in reading.graph.spec.functions[name].cls.model_fields
