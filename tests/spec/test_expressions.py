"""Expressions: every form that the language has, and mistakes that point at their own characters."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from factorgraph.spec.expressions import Binary, Call, Expression, Negate, Number, Read, Slot, parse_constant, parse_value, walk
from factorgraph.spec.syntax import ExpressionError, check_name

WRITTEN = json.loads((Path(__file__).parent / "written.json").read_text())


@pytest.mark.parametrize("text", WRITTEN["values"])
def test_every_value_of_the_drafts_is_read_and_its_spans_are_its_own_text(text: str) -> None:
    for node in walk(parse_value(text)):
        piece = text[slice(*node.span)]
        if isinstance(node, Number):
            assert float(piece) == node.value
        elif isinstance(node, Read | Call):
            assert ".".join(node.name) == text[slice(*node.name_span)]
            assert piece.endswith(node.output or "")
        # the oracle: Python's own parser finds the same source for the same piece
        assert ast.dump(ast.parse(piece, mode="eval"))


@pytest.mark.parametrize("text", WRITTEN["constants"])
def test_every_constant_of_the_drafts_is_read(text: str) -> None:
    assert parse_constant(text)


def test_forms_become_trees() -> None:
    assert parse_value("P[t-1].where") == Read(("P",), Slot("t", -1, (2, 5)), "where", (0, 12), (0, 1))
    assert parse_value("drawn[last]") == Read(("drawn",), Slot("last", 0, (6, 10)), None, (0, 11), (0, 5))
    assert parse_value("Z[2]") == Read(("Z",), Slot(None, 2, (2, 3)), None, (0, 4), (0, 1))
    assert parse_value("first.predicted") == Read(("first", "predicted"), None, None, (0, 15), (0, 15))
    call = parse_value("W.transpose(Z)")
    assert isinstance(call, Call) and call.name == ("W", "transpose") and call.name_span == (0, 11)
    call = parse_value("pool(H).what")
    assert isinstance(call, Call) and call.output == "what" and call.span == (0, 12)
    root = parse_value("A - B * -C")
    assert isinstance(root, Binary) and root.operator == "-"
    assert isinstance(root.right, Binary) and root.right.operator == "*" and isinstance(root.right.right, Negate)


def test_white_space_and_lines_do_not_matter() -> None:
    folded = parse_value("  decoder(Z)\n + Y ")
    assert isinstance(folded, Binary) and folded.left.span == (2, 12) and folded.right.span == (16, 17)


@pytest.mark.parametrize(
    ("text", "code", "marked"),
    [
        ("Z ** 2", "FG305", "**"),
        ("Z < Y", "FG305", "<"),
        ("Z // 2", "FG305", "//"),
        ("lambda x: x", "FG305", "lambda"),
        ("Z if Y else X", "FG305", "if"),
        ("f(a=1)", "FG305", "="),
        ("(A + B).x", "FG305", ".x"),
        ("P[t].a.b", "FG305", ".b"),
        ("[A, B]", "FG305", "[A, B]"),
        ("3(x)", "FG305", "3"),
        ("f(x)(y)", "FG305", "f(x)"),
        ("decoder('Z')", "FG303", "'"),
        ("Z[1:2]", "FG303", ":"),
        ("Y + größe", "FG303", "ö"),
        ("A; B", "FG303", ";"),
        ("decoder(Z)[1]", "FG307", "decoder(Z)[1]"),
        ("Z[-1]", "FG307", "-1"),
        ("Z[t*2]", "FG307", "t*2"),
        ("Z[1.5]", "FG307", "1.5"),
        ("Z[t][k]", "FG307", "Z[t][k]"),
        ("f[1](x)", "FG307", "f[1]"),
        ("Z / 2", "FG306", "/"),
        ("2x", "FG304", "2x"),
        ("A B", "FG304", "A B"),
        ("f(A, B", "FG304", "("),
        ("A)", "FG304", ")"),
        ("f(A]", "FG304", "]"),
        ("A +", "FG304", "+"),
        ("A + * B", "FG304", "*"),
        ("f()", "FG304", "f()"),
        ("f(A,)", "FG304", ","),
        ("A, B", "FG304", ","),
        ("", "FG304", ""),
        ("1_000", "FG319", "1_000"),
        ("0x1F", "FG319", "0x1F"),
        ("017", "FG319", "017"),
        ("1e999", "FG319", "1e999"),
        ("a" * 65, "FG308", "a" * 65),
    ],
)
def test_a_mistake_points_at_its_characters(text: str, code: str, marked: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_value(text)
    assert caught.value.code == code
    assert caught.value.span is not None
    assert text[slice(*caught.value.span)] == marked
    assert caught.value.message


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a" * 2001, "FG301"),
        ("(" * 33 + "a" + ")" * 33, "FG302"),
        ("-" * 1999 + "a", "FG302"),
        ("+".join("a" * 60), "FG302"),
        ("f(" + ",".join("a" * 201) + ")", "FG302"),
        ("(" * 1999, "FG302"),
    ],
)
def test_bombs_are_refused_before_python_sees_them(text: str, code: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_value(text)
    assert caught.value.code == code


def test_the_limits_themselves_are_allowed() -> None:
    assert parse_value("(" * 31 + "a" + ")" * 31)
    assert parse_value("f(" + ",".join("a" * 197) + ")")
    assert parse_value("+".join("a" * 32))


@pytest.mark.parametrize("text", ["f(x)", "X.y", "w[l].x", "size(X, Y)", "size(X[0])", "size(a.b)", "size(2)"])
def test_a_constant_holds_no_values(text: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_constant(text)
    assert caught.value.code == "FG305"


class _Holder(BaseModel):
    of: Expression | None = None


def test_a_field_takes_text_and_numbers_and_writes_text() -> None:
    assert _Holder(of="Z + Y").of == Expression.of("Z + Y")  # type: ignore[arg-type]
    assert _Holder(of=0).of == Expression("0", Number(0, (0, 1)))  # type: ignore[arg-type]
    assert _Holder(of=-0.5).model_dump() == {"of": "-0.5"}  # type: ignore[arg-type]
    assert _Holder.model_validate_json('{"of": "f(X)"}').model_dump_json() == '{"of":"f(X)"}'
    assert _Holder.model_json_schema()["properties"]["of"]["anyOf"][0]["anyOf"][0] == {"type": "string"}


@pytest.mark.parametrize("written", [True, [], {}, float("nan"), float("inf"), 10**400])
def test_a_field_refuses_everything_else(written: object) -> None:
    with pytest.raises(ValidationError) as caught:
        _Holder(of=written)  # type: ignore[arg-type]
    assert caught.value.errors()[0]["type"] == "FG317"


def test_a_field_error_carries_the_issue() -> None:
    with pytest.raises(ValidationError) as caught:
        _Holder.model_validate({"of": "Z ** 2"})
    error = caught.value.errors()[0]
    assert error["type"] == "FG305"
    assert error["ctx"]["span"] == (2, 4)
    assert "calls such as decoder(Z)" in error["ctx"]["allowed"]


def test_names() -> None:
    assert check_name("Z_1") == ""
    assert check_name("_") == ""
    assert check_name("a" * 64) == ""
    for name in ("a" * 65, "1a", "", "é", "a-b", "lambda", "None"):
        assert check_name(name)


def test_a_text_is_parsed_once() -> None:
    """Trying out every variant reads each expression of a spec again; a list of all specs would take seconds."""
    text, constant = "decoder(Z[t-1]) - 0.37 * Y", "1.37 / (T - 1)"
    assert parse_value(text) is parse_value("".join(text))
    assert parse_constant(constant) is parse_constant("".join(constant))
