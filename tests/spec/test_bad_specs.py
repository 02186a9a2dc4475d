"""Mistakes as users make them: code, caret, words, and an offered replacement that mends the file.

The ``.expected`` file beside each spec was written by hand: whether the replacements mend it, then a line for each mistake with
its code, line:column, and words that the message, what is allowed or the fix must hold.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from factorgraph.errors import Issue, SpecError, render
from factorgraph.spec.load import load, loads

FOLDER = Path(__file__).parent.parent / "bad_specs"
FILES = sorted(FOLDER.glob("*.yaml"))


def issues_of(file: Path) -> tuple[Issue, ...]:
    with pytest.raises(SpecError) as caught:
        load(file)
    return caught.value.issues


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_each_mistake_is_told_where_it_is_and_nothing_else(file: Path) -> None:
    expected = [line.split(" | ") for line in file.with_suffix(".expected").read_text().splitlines()[1:]]
    found = issues_of(file)
    told = [f"{it.code} {it.place.line}:{it.place.column}" for it in found if it.place]
    assert told == [line[0] for line in expected], render(found)
    for it, line in zip(found, expected, strict=True):
        text = " ".join((it.message, it.allowed, it.fix))
        assert [word for word in line[1:] if word not in text] == [], text


MENDED = [file for file in FILES if file.with_suffix(".expected").read_text().startswith("the offered")]


@pytest.mark.parametrize("file", MENDED, ids=lambda file: file.stem)
def test_the_offered_replacement_mends_the_file(file: Path) -> None:
    lines = file.read_text().split("\n")
    for it in sorted(issues_of(file), key=lambda it: (it.place.line, it.place.column) if it.place else (0, 0), reverse=True):
        assert it.place is not None and it.replacement is not None, it
        line = lines[it.place.line - 1]
        lines[it.place.line - 1] = line[: it.place.column - 1] + it.replacement + line[it.place.end_column - 1 :]
    loads("\n".join(lines), str(file))


def test_there_are_enough_of_them() -> None:
    assert len(FILES) >= 20
    assert sum(len(file.with_suffix(".expected").read_text().splitlines()) == 6 for file in FILES) >= 2
