"""Old spellings are mended where they stand; all other bytes of a file stay."""

from __future__ import annotations

from pathlib import Path

import pytest

from factorgraph.errors import SpecError
from factorgraph.spec import upgrade
from factorgraph.spec.load import folder, loads
from factorgraph.spec.upgrade import CHANGES, Change, upgraded

ALL = sorted(folder().rglob("*.yaml"))
MADE_UP = (  # a history that the language does not have
    Change(("factors", "*", "lambda"), "weight"),
    Change(("factors", "*", "type"), "l1", old="laplace"),
    Change(("functions", "*", "type"), "linear", old="dense"),
    Change(("phases",), "learning"),
    Change(("learning", "*", "rate"), "learning_rate"),
)
OLD = """# lambda: stays here
factorgraph: 1   # and so does laplace
dims: {code: 3}
variables:
  Y: {kind: observed, shape: [4]}
  Z: {kind: latent, shape: [code]}      # \u00fcber lambda \U0001f600
functions:
  lambda: dense
  encoder: {type: dense, bias: false}
factors:
  fit: {type: squared_distance, between: [Y, "lambda(Z)"], 'lambda': 0.5}   # a tab:\there
  sparsity:

    type:   laplace     # lambda
    of: Z
    "lambda":   2
inference: {best: {method: argmin, of: Z}}
learning:
  fast: {loss: energy, steps: 3, set: {factors.fit.lambda: 0.1}}
variants:
  heavy: {factors.sparsity.lambda: 3}
  other: {factors.sparsity: {type: laplace, of: Z, lambda: 4}, "factors.fit.lambda": 1}
"""
NEW = (
    OLD.replace("'lambda': 0.5", "'weight': 0.5")
    .replace('"lambda":   2', '"weight":   2')
    .replace("of: Z, lambda: 4", "of: Z, weight: 4")
    .replace(".lambda", ".weight")
    .replace("laplace     #", "l1     #")
    .replace("type: laplace, of", "type: l1, of")
    .replace("lambda: dense", "lambda: linear")
    .replace("type: dense", "type: linear")
)


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_only_old_spellings_change(ends: str, mark: str) -> None:
    data = (mark + OLD.replace("\n", ends)).encode()
    made = upgraded(data, "old.yaml", MADE_UP)
    assert made.data.decode() == mark + NEW.replace("\n", ends)
    assert made.left == ()
    assert len(made.edits) == 10
    again = upgraded(made.data, "old.yaml", MADE_UP)
    assert again.edits == () and again.data == made.data


def test_an_edit_says_its_place() -> None:
    made = upgraded(OLD.encode(), "old.yaml", MADE_UP)
    said = [str(each) for each in made.edits]
    assert "old.yaml:8:11: dense -> linear" in said
    assert "old.yaml:11:61: lambda -> weight" in said
    assert "old.yaml:21:28: lambda -> weight" in said
    for edit in made.edits:
        line = OLD.splitlines()[edit.place.line - 1]
        assert line[edit.place.column - 1 : edit.place.end_column - 1] == edit.old


def test_lines_with_several_edits_and_addresses_of_fragments() -> None:
    old = "phases: {a: {rate: 1}, b: {rate: 2}}\nvariants: {x: {first.phases.a.rate: 1, phases.b: {rate: 3}}}\n"
    new = "learning: {a: {learning_rate: 1}, b: {learning_rate: 2}}\n"
    first = upgraded(old.encode(), "old.yaml", MADE_UP)
    assert first.data.decode().startswith("learning: {a: {rate: 1}")
    whole = upgraded(first.data, "old.yaml", MADE_UP)
    assert whole.data.decode().startswith(new)
    with_set = "learning: {a: {set: {first.factors.x.lambda: 1, dims.lambda: 2}, loss: energy}}\n"
    assert upgraded(with_set.encode(), "x", MADE_UP).data.decode() == with_set.replace("x.lambda", "x.weight")


@pytest.mark.parametrize(
    ("text", "message", "line", "column"),
    [
        ("factors: {a: {lambda: 1, weight: 2}}", '"lambda" is spelled "weight" now, and that is there as well', 1, 15),
        ("variants: {v: {factors.a.lambda: 1, factors.a.weight: 2}}", 'and that is there as well', 1, 26),
        ('factors: {a: {"l\\u0061mbda": 1}}', '"lambda" is spelled "weight" now', 1, 15),
        ("data:\n  hard_negatives: 3", '"hard_negatives" is no longer in the language', 2, 3),
    ],
)
def test_what_no_edit_can_mend_is_told_in_its_place(text: str, message: str, line: int, column: int) -> None:
    made = upgraded(text.encode(), "old.yaml", (*CHANGES, *MADE_UP))
    assert made.edits == () and made.data.decode() == text
    (found,) = made.left
    assert found.code == "FG216" and message in found.message and found.fix
    assert (found.place.line, found.place.column) == (line, column)


@pytest.mark.parametrize(
    ("text", "code"),
    [("factors: &a {x: 1}\nb: *a\n", "FG1"), ("a: [1", "FG1"), ("", "FG121"), ("- 1", "FG121"), ("a: 1\na: 2", "FG1")],
)
def test_what_is_no_spec_is_told_and_stays(text: str, code: str) -> None:
    with pytest.raises(SpecError) as caught:
        upgraded(text.encode(), "old.yaml", MADE_UP)
    assert all(each.code.startswith(code) and each.place is not None for each in caught.value.issues)


def test_the_version_moves_on_with_the_language(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upgrade, "VERSION", 3)
    assert upgraded(b"# one\nfactorgraph:  1  # two\n", "x", ()).data == b"# one\nfactorgraph:  3  # two\n"
    for text in (b"factorgraph: 3\n", b"factorgraph: 4\n", b"factorgraph: one\n", b"factorgraph: true\n", b"title: a\n"):
        assert upgraded(text, "x", ()).data == text


@pytest.mark.parametrize("file", ALL, ids=lambda file: file.stem)
def test_no_file_of_this_version_changes(file: Path) -> None:
    made = upgraded(file.read_bytes(), str(file))
    assert (made.data, made.edits, made.left) == (file.read_bytes(), (), ())


@pytest.mark.parametrize("file", ALL[::3], ids=lambda file: file.stem)
def test_renaming_there_and_back_is_nothing(file: Path) -> None:
    names = {("factors", "*", "weight"): "gewicht", ("learning", "*", "steps"): "schritte", ("data",): "daten"}
    there = tuple(Change(at, new) for at, new in names.items())
    back = tuple(Change((*at[:-1], new), at[-1]) for at, new in names.items())
    data = file.read_bytes()
    renamed = upgraded(data, "x", there)
    assert (renamed.data != data) == bool(renamed.edits) and renamed.left == ()
    again = upgraded(renamed.data, "x", back)
    assert again.data == data


def test_every_change_of_the_language_is_one() -> None:
    """No key that has gone or is spelled differently can be written today."""
    for change in CHANGES:
        assert change.at != (change.new,) and (change.new or change.why)
    wrong = "factorgraph: 1\nvariables: {Y: {kind: observed, shape: [2]}}\ndata: {source: curve, bind: {Y: point}, OLD: 1}\n"
    with pytest.raises(SpecError, match=r"FG201(.|\n)*fix: only the first drafts had it"):
        loads(wrong.replace("OLD", "hard_negatives"))


def test_loading_an_old_spelling_says_the_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upgrade, "CHANGES", MADE_UP)
    text = "factorgraph: 1\nvariables: {Z: {kind: latent, shape: [2]}}\n"
    text += "factors: {a: {type: l1, of: Z, lambda: 1}, b: {type: l1, of: Z}}\n"
    with pytest.raises(SpecError) as caught:
        loads(f"{text}variants: {{v: {{factors.b.lambda: 2}}}}\n")
    told = {each.path: each.fix for each in caught.value.issues}
    assert set(told) == {("factors", "a", "lambda"), ("variants", "v", "factors.b.lambda")}
    assert set(told.values()) == {"write weight; factorgraph upgrade mends the file"}
