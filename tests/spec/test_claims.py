"""Claims: states, metrics and their arguments."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from factorgraph.spec.claims import ClaimExpression, Combined, Measure, parse_claim
from factorgraph.spec.expressions import Binary, Call, Number, Read
from factorgraph.spec.syntax import ExpressionError

WRITTEN = json.loads((Path(__file__).parent / "written.json").read_text())


@pytest.mark.parametrize("text", WRITTEN["claims"])
def test_every_claim_of_the_drafts_is_read(text: str) -> None:
    measures = ClaimExpression.of(text).measures()
    assert measures
    for measure in measures:
        assert text[slice(*measure.name_span)] == measure.metric
        for state in measure.states:
            assert text[slice(*state.span)].partition("[")[0] == state.name


def test_parts_of_a_claim() -> None:
    (measure,) = ClaimExpression.of("thin[last].phase_5.code_error(lista[0], x / 2)").measures()
    assert [state.name for state in measure.states] == ["thin", "phase_5"]
    assert measure.states[0].slot is not None and measure.states[0].slot.index == "last"
    assert measure.states[1].slot is None
    assert measure.metric == "code_error"
    first, second = measure.arguments
    assert isinstance(first, Read) and first.slot is not None and first.slot.offset == 0
    assert isinstance(second, Binary) and second.operator == "/"


def test_arithmetic_and_nesting() -> None:
    root = parse_claim("1 - mean(sigmoid(-critic(Y)))")
    assert isinstance(root, Combined) and isinstance(root.left, Number) and isinstance(root.right, Measure)
    assert isinstance(root.right.arguments[0], Call)
    assert parse_claim("auc()") == Measure((), "auc", (), (0, 5), (0, 3))


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("energy", "energy"),
        ("energy(a) / loss", "loss"),
        ("f(x).y", "f(x).y"),
        ("a.b.c.d(x)", "a.b.c"),
        ("f[1](x)", "f[1]"),
        ("f(x)(y)", "f(x)"),
        ("(a + b).c(x)", "a + b"),
    ],
)
def test_what_is_no_claim(text: str, marked: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_claim(text)
    assert caught.value.code == "FG310"
    assert caught.value.span is not None and text[slice(*caught.value.span)] == marked
