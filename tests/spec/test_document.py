"""The text of a spec: scalars by YAML 1.2, places, refusals, and the usual mistakes told at their cause."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest
import yaml

from factorgraph.errors import Issue, Place, SpecError
from factorgraph.spec import events
from factorgraph.spec.document import Document, decode, read, read_scalar


def marked(place: Place) -> str:
    """What a place underlines in its excerpt."""
    end = place.end_column - 1 if place.end_line == place.line else len(place.text)
    return place.text[place.column - 1 : end]


def mistakes(text: str) -> list[tuple[str, int, int]]:
    with pytest.raises(SpecError) as caught:
        read(text, "spec.yaml")
    assert all(it.place is not None and it.place.file == "spec.yaml" for it in caught.value.issues)
    return [(it.code, it.place.line, it.place.column) for it in caught.value.issues if it.place]


def issue_of(text: str) -> Issue:
    with pytest.raises(SpecError) as caught:
        read(text, "spec.yaml")
    assert len(caught.value.issues) == 1
    return caught.value.issues[0]


@pytest.fixture(params=["libyaml", "pure"], autouse=True)
def _parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything holds with both parsers."""
    if request.param == "libyaml" and not yaml.__with_libyaml__:
        pytest.skip("PyYAML was built without libyaml")
    monkeypatch.setattr(yaml, "__with_libyaml__", request.param == "libyaml")


# --- scalars ---


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1e-3", 1e-3), ("1E-3", 1e-3), ("1e3", 1000.0), ("1.5e3", 1500.0), ("6.02e23", 6.02e23), ("+1e5", 1e5),
        (".5", 0.5), ("5.", 5.0),
        ("-0.37", -0.37), ("+3", 3), ("-12", -12), ("017", 17), ("0o17", 15), ("0x1F", 31), ("0", 0),
        ("no", "no"), ("NO", "NO"), ("on", "on"), ("off", "off"), ("yes", "yes"), ("y", "y"), ("n", "n"),
        ("true", True), ("false", False), ("True", True), ("FALSE", False), ("null", None), ("~", None),
        ("1:30", "1:30"), ("12:30:45", "12:30:45"), ("2024-01-01", "2024-01-01"), ("2024-13-45", "2024-13-45"),
        ("1_000", "1_000"), ("0x_", "0x_"), ("0o8", "0o8"), (".inf", ".inf"), (".nan", ".nan"), ("1e999", "1e999"),
        ("'1'", "1"), ('"no"', "no"), ('"\\u0041"', "A"), ("-", "-"), ("+", "+"), (".", "."), ("1.2.3", "1.2.3"),
    ],
)  # fmt: skip
def test_scalars_follow_yaml_1_2(written: str, value: object) -> None:
    if written != "-":  # an empty list item
        got = read_scalar(f"[{written}]")[0]
        assert got == value and type(got) is type(value)
        assert read(f"a: {written}\n", "f").values == {"a": value}


def test_a_number_of_5000_digits_stays_a_word() -> None:
    assert read("a: " + "9" * 5000, "f").values["a"] == "9" * 5000
    assert read("a: " + "9" * 300, "f").values["a"] == 10**300 - 1


def test_collections_and_blocks() -> None:
    text = """
    a: {b: [1, x, {c: null}], d: {}}
    e:
    - f
    - g: 2
      h: |
        two
        lines
    i:
    """
    assert read(textwrap.dedent(text), "f").values == {
        "a": {"b": [1, "x", {"c": None}], "d": {}}, "e": ["f", {"g": 2, "h": "two\nlines\n"}], "i": None,
    }  # fmt: skip


# --- places ---

TEXT = textwrap.dedent(
    """\
    title: places
    factors:
      fit: {type: l1, of: "f(\\u0041, 'x' + Z)", weight: .5}
      other:
        of: 'it''s + foo'   # a comment
        plain: a +
          b + bad
        folded: >
          a +

          b + bad
        joined: "a + \\
          b + bad"
        list: [X, 'Y + Z']
    variables: {H: relu(encoder(X))}
    variants:
      wide: {factors.fit.weight: 3 / q}
    """
)


@pytest.mark.parametrize(
    ("path", "piece", "line"),
    [
        (("factors", "fit", "of"), "Z", 3),
        (("factors", "fit", "of"), "x", 3),
        (("factors", "other", "of"), "foo", 5),
        (("factors", "other", "plain"), "bad", 7),
        (("factors", "other", "plain"), "a +", 6),
        (("factors", "other", "folded"), "bad", 11),
        (("factors", "other", "joined"), "bad", 13),
        (("factors", "other", "list", 1), "Z", 14),
        (("variables", "H"), "encoder", 15),
    ],
)
def test_spans_reach_the_file_through_quotes_and_folds(path: tuple[Any, ...], piece: str, line: int) -> None:
    document = read(TEXT, "f")
    value = document.get(path)
    start = value.index(piece)
    place = document.place(path, span=(start, start + len(piece)))
    assert (marked(place), place.line) == (piece, line)


def test_an_escape_is_underlined_whole() -> None:
    assert marked(read(TEXT, "f").place(("factors", "fit", "of"), span=(2, 3))) == "\\u0041"
    assert marked(read(TEXT, "f").place(("factors", "other", "of"), span=(2, 3))) == "''"


def test_keys_and_values_have_places_of_their_own() -> None:
    document = read(TEXT, "f")
    assert marked(document.place(("factors", "fit", "weight"), "key")) == "weight"
    assert marked(document.place(("factors", "fit", "weight"))) == ".5"
    assert marked(document.place(("factors", "other", "of"))) == "'it''s + foo'"
    assert marked(document.place(("factors", "other", "list"))) == "[X, 'Y + Z']"
    assert marked(document.place(("factors", "other", "list", 0))) == "X"
    assert document.place(("factors", "other", "list", 0), "key") == document.place(("factors", "other", "list", 0))
    assert document.place(("factors",), "key").line == 2


def test_what_is_missing_is_at_its_nearest_entry() -> None:
    document = read(TEXT, "f")
    assert marked(document.place(("factors", "other", "type"), span=(0, 1))) == "other"
    assert marked(document.place(("factors", "nothing", "deeper"))) == "factors"
    assert document.place(("nothing",)).line == 1
    assert marked(document.place(("factors", "other", "list", 7))) == "list"


def test_a_short_form_stands_for_what_it_abbreviates() -> None:
    document = read(TEXT, "f")
    assert marked(document.place(("variables", "H", "is"), span=(5, 12))) == "encoder"
    assert marked(document.place(("factors", "fit", "of", 0))).startswith('"f(')


def test_crlf_and_a_byte_order_mark_change_no_place() -> None:
    windows = decode(b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode(), "f")
    assert read(windows, "f").place(("variables", "H")) == read(TEXT, "f").place(("variables", "H"))


def test_edits_carry_their_origin() -> None:
    document = read(TEXT, "f")
    path = ("factors", "fit", "weight")
    edited = document.edit(path, "abc + d", "--set", "factors.fit.weight=abc + d")
    place = edited.place(path, span=(6, 7))
    assert (place.file, place.origin, place.line, marked(place)) == ("--set", "--set", 1, "d")
    assert marked(edited.place(path, "key")) == "factors.fit.weight"
    assert edited.get(path) == "abc + d" and document.get(path) == 0.5
    assert edited.place(("factors", "fit", "of")).file == "f"
    whole = edited.edit(("factors", "fit"), {"type": "l2", "of": "Z"}, "--set", "factors.fit={type: l2, of: Z}")
    assert marked(whole.place(("factors", "fit", "type"))) == "l2"
    assert marked(whole.place(path)) == "factors.fit"
    again = whole.edit(path, 2, "Python")
    assert (again.place(path).text, marked(again.place(path))) == ("factors.fit.weight=2", "2")


def test_a_variant_is_shown_where_it_stands() -> None:
    path = ("factors", "fit", "weight")
    edited = read(TEXT, "f").edit(path, "3 / q", "variant wide", at=("variants", "wide", "factors.fit.weight"))
    place = edited.place(path, span=(4, 5))
    assert (place.file, place.origin, place.line, marked(place)) == ("f", "variant wide", 17, "q")


def test_edits_make_maps_and_change_lists() -> None:
    document = read(TEXT, "f").edit(("data", "count"), 3, "Python").edit(("factors", "other", "list", 0), "W", "Python")
    assert document.get(("data",)) == {"count": 3}
    assert document.get(("factors", "other", "list")) == ["W", "Y + Z"]
    assert marked(document.place(("data", "source"))) == "data.count"
    for path in (("factors", "other", "list", 9), ("title", "x"), ("factors", "other", "list", "x")):
        with pytest.raises(SpecError) as caught:
            document.edit(path, 1, "--set", "x=1")
        assert caught.value.issues[0].code == "FG126"
        assert caught.value.issues[0].place is not None and caught.value.issues[0].place.file == "--set"


def test_locating_places_and_sorts() -> None:
    document = read(TEXT, "f")
    late, early = Issue("FG900", "late", ("variables", "H")), Issue("FG901", "early", ("title",))
    with pytest.raises(SpecError) as caught, document.locating():
        raise SpecError([late, early])
    assert [it.code for it in caught.value.issues] == ["FG901", "FG900"]
    assert [it.place.line for it in caught.value.issues if it.place] == [1, 15]
    assert "--> f:15:16" in str(caught.value)


# --- refusals ---


def test_several_mistakes_are_told_together() -> None:
    text = "a: 1\na: 2\n1: 3\nb: *x\nc: &y 2\nd: !!python/object:os.system x\n<<: *a\ne: [X, f(X, Y), g(Y)]\n"
    assert mistakes(text) == [
        ("FG111", 2, 1), ("FG113", 3, 1), ("FG107", 4, 4), ("FG106", 5, 4), ("FG108", 6, 4), ("FG110", 7, 1), ("FG114", 8, 8),
    ]  # fmt: skip


def test_a_key_written_twice_names_both_lines() -> None:
    it = issue_of("x:\n  wide: 1\n  b: 2\n  wide: 3\n")
    assert "line 2" in it.message and "line 4" in it.message
    assert it.path == ("x", "wide")


@pytest.mark.parametrize(
    ("text", "whole", "code"),
    [
        ("between: [X, critic(X, Y)]", "critic(X, Y)", "FG114"),
        ("a: {of: critic(X, Y), weight: 1}", "critic(X, Y)", "FG114"),
        ("a: [f(g(X, Y), Z), W]", "f(g(X, Y), Z)", "FG114"),
        ("a: [W, Z[t-1]]", "Z[t-1]", "FG115"),
        ("a: {is: output[l+1], start: X}", "output[l+1]", "FG115"),
        ("a: {of: f(X[t-1], Y) , b: 1}", "f(X[t-1], Y)", "FG115"),
    ],
)
def test_expressions_that_need_quotes(text: str, whole: str, code: str) -> None:
    it = issue_of(text)
    assert (it.code, it.replacement) == (code, f'"{whole}"')
    assert it.place is not None and marked(it.place) == whole
    assert whole in it.message and "quotes" in it.message
    assert read(text.replace(whole, it.replacement), "f")  # the replacement mends it


def test_all_expressions_that_need_quotes_are_told_at_once() -> None:
    assert mistakes("a: [Z[t-1], f(A, B), W[t]]\nb: {is: c[l]}\n") == [
        ("FG115", 1, 5), ("FG114", 1, 13), ("FG115", 1, 22), ("FG115", 2, 9),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "code", "line", "column"),
    [
        ("a: [1, 2\nb: 3\nc: 4", "FG116", 1, 4),
        ("a: {b: 1\nc: {d: 2}\n", "FG116", 1, 4),
        ("a: {b: 1]", "FG116", 1, 9),
        ("a: ]", "FG116", 1, 4),
        ("a: [1]]", "FG116", 1, 7),
        ("a: [[[", "FG116", 1, 6),
        ('a: 1\nb: "x\nc: 2\n', "FG117", 2, 4),
        ('a: "x\nb: "y"\nc: 2\n', "FG117", 1, 4),
        ("a: 'it''s", "FG117", 1, 4),
        ("a:\n\tb: 1", "FG112", 2, 1),
        ("a: 1\nb:\n  - x\n\t- y\n", "FG112", 4, 1),
        ("a:\tb", "FG112", 1, 3),
        ("a:\n    b: 1\n  c: 2", "FG119", 3, 3),
        ("a: 1\n  b: 2", "FG119", 2, 3),
        ("a: b: c", "FG118", 1, 5),
        ("a: {b: c d: e}", "FG118", 1, 11),
        ("a: 1\nweight 0.5\nb: 2", "FG125", 2, 1),
        ("a: 1\n---\nb: 2", "FG109", 2, 1),
        ("a: @b", "FG122", 1, 4),
        ("a: `b`", "FG122", 1, 4),
        ('a: "x\\q"', "FG123", 1, 6),
        ('a: "x" + y', "FG124", 1, 8),
        ("- a", "FG121", 1, 1),
        ("", "FG121", 1, 1),
        ("just words", "FG121", 1, 1),
        ("[a, b]: c", "FG113", 1, 1),
        ("? {a: b}\n: 1", "FG113", 1, 3),
        ("true: 1", "FG113", 1, 1),
        ("a: {1.5: x}", "FG113", 1, 5),
        ("a: b\0", "FG103", 1, 5),
        ("a: b\u2028c", "FG103", 1, 5),
        ('a: "\\0"', "FG103", 1, 4),
        ("a: *", "FG107", 1, 4),
        ("a: *b c", "FG107", 1, 4),
        ("a: !x y", "FG108", 1, 4),
    ],
)
def test_mistakes_are_told_at_their_cause(text: str, code: str, line: int, column: int) -> None:
    assert mistakes(text)[0] == (code, line, column)


def test_tabs_in_quotes_blocks_and_comments_are_the_users_own() -> None:
    text = "a: 'x\ty'  # a\tcomment\nb: |\n  x\ty\n#\tmore\n"
    assert read(text, "f").values == {"a": "x\ty", "b": "x\ty\n"}


@pytest.mark.parametrize(
    ("data", "line", "column"),
    [(b"a: \xff", 1, 4), (b"a: 1\r\nb: \xc3\xa4\xe4", 2, 5), ("a: 1".encode("utf-16"), 1, 1), ("a: 1".encode("utf-32"), 1, 1)],
)
def test_other_encodings_are_told(data: bytes, line: int, column: int) -> None:
    with pytest.raises(SpecError) as caught:
        decode(data, "f")
    place = caught.value.issues[0].place
    assert caught.value.issues[0].code == "FG101"
    assert place is not None and (place.line, place.column) == (line, column)


def test_a_tab_in_a_block_is_not_blamed_for_a_later_mistake() -> None:
    assert mistakes("a: |\n  x\n  \ty\nb: ]\n")[0] == ("FG116", 4, 4)
    assert mistakes("a: 'x#'\tb\nc: 1")[0][0] in ("FG112", "FG124")
    assert mistakes("a: 'x # y' \t\nc: 1")[0] == ("FG112", 1, 12)


# --- bombs ---


def test_bombs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    aliases = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True))
    assert {code for code, *_ in mistakes(aliases)} == {"FG106", "FG107"}
    merges = "a: &a {x: 1}\nb: {<<: [" + "*a, " * 50 + "*a]}\n"
    assert "FG110" in {code for code, *_ in mistakes(merges)}
    assert mistakes("[" * 100_000) == [("FG104", 1, 65)]
    assert mistakes("a: " + "{b: " * 70) == [("FG104", 1, 4 + 4 * 63)]
    assert mistakes("a: " + "x" * 1_000_000) == [("FG102", 1, 1)]
    assert read("a: " + "[" * 63 + "]" * 63, "f")
    assert mistakes("a: [" + "'\t'," * 40_000 + "\tx]")[0] == ("FG112", 1, 5 + 160_000)
    assert read("a: 1 # " + "\t" * 200_000, "f").values == {"a": 1}
    monkeypatch.setattr(events, "MOST_NODES", 50)
    assert mistakes("a: [" + "1, " * 60 + "1]")[0][0] == "FG105"


def test_the_number_of_mistakes_told_is_bounded() -> None:
    assert len(mistakes("".join(f"{n}: 1\n" for n in range(1000)))) == events.MOST_ISSUES
    assert len(mistakes("a: [" + "f(a, b)," * 1000 + "]")) == events.MOST_ISSUES


def test_1000_factors_are_read() -> None:
    text = "factors:\n" + "".join(f'  factor_{n}: {{type: l1, of: "Z[{n}]", weight: 0.{n:04d}1}}\n' for n in range(1000))
    document: Document = read(text, "f")
    assert document.place(("factors", "factor_999", "of"), span=(2, 5)).line == 1001
    assert marked(document.place(("factors", "factor_999", "of"), span=(2, 5))) == "999"


def test_an_escape_that_no_text_may_hold_is_named() -> None:
    with pytest.raises(SpecError, match=r"the character U\+2028, which no text may hold(.|\n)*= fix: remove the escape"):
        read('title: "a\\u2028b"', "f")
