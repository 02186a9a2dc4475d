"""Old spellings of the language, and a file mended where it has them: everything else stays as it is, byte for byte.

A file is read as text with places, not as a spec, which it need not be yet; the text is edited at those places.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from factorgraph.errors import Issue, Path, Place
from factorgraph.spec.document import Document, On, decode, read
from factorgraph.spec.language import VERSION
from factorgraph.spec.parse import FILE_KEYS, MAIN

ANY = "*"


@dataclass(frozen=True)
class Change:
    """A key, or a word that stands at an address, which is spelled differently now.

    ``at``: the address of the key, or of the word, with ``*`` for a name of the user's; ``old`` is the word, or the key itself
    where it is left out. ``new``: the spelling of today; nothing if the language has none, and then ``why`` says what to do.
    """

    at: tuple[str, ...]
    new: str | None
    old: str = ""
    why: str = ""


CHANGES: tuple[Change, ...] = (  # newest last; version 1 has renamed nothing since its first specs
    Change(("data", "hard_negatives"), None, why="only the first drafts had it: train again on more windows instead"),
)


@dataclass(frozen=True)
class Edit:
    """What is written at a place, and what is to stand there."""

    path: Path
    place: Place
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.place.file}:{self.place.line}:{self.place.column}: {self.old} -> {self.new}"


@dataclass(frozen=True)
class Upgrade:
    """A file as it is to be, the edits that make it so, and what cannot be done by an edit."""

    data: bytes
    edits: tuple[Edit, ...]
    left: tuple[Issue, ...]


def upgraded(data: bytes, file: str, changes: Iterable[Change] = CHANGES) -> Upgrade:
    """The bytes of a file with old spellings in the language of today. Raises SpecError where it is no YAML."""
    text = decode(data, file)
    edits, left = _looked_through(read(text, file), tuple(changes))
    return Upgrade(_edited(text, edits).encode(), tuple(edits), tuple(left))


def fixes(document: Document) -> dict[Path, str]:
    """What mends the old spellings of a document, by the address of the key or the word."""
    edits, left = _looked_through(document, CHANGES)
    found = {each.path: f"write {each.new}; factorgraph upgrade mends the file" for each in edits}
    return found | {each.path: each.fix for each in left}


def _looked_through(document: Document, changes: tuple[Change, ...]) -> tuple[list[Edit], list[Issue]]:
    """The edits, in the order of the file, and what no edit can mend."""
    edits: list[Edit] = []
    left: list[Issue] = []
    version = document.values.get("factorgraph")
    if isinstance(version, int) and not isinstance(version, bool) and 0 < version < VERSION:
        edits.append(Edit(("factorgraph",), document.place(("factorgraph",)), str(version), str(VERSION)))
    for path, on, written in _written(document.values):
        for change in changes:
            if (at := _found(change, path, on, written)) is not None:
                place = document.place(path, on)
                edit = _edit(path, place, str(written), at, change)
                if obstacle := _obstacle(document, change, path, on, edit):
                    left.append(replace(obstacle, place=edit.place if edit else place))
                elif edit is not None:
                    edits.append(edit)
    return sorted(edits, key=lambda each: (each.place.line, each.place.column)), left


def _written(values: Any, path: Path = ()) -> Iterator[tuple[Path, On, Any]]:
    """Every key, and every value that is no map or list, with its address."""
    for key, value in values.items() if isinstance(values, Mapping) else enumerate(values):
        at = (*path, key)
        if isinstance(values, Mapping):
            yield at, "key", str(key)
        if isinstance(value, Mapping | list):
            yield from _written(value, at)
        else:
            yield at, "value", value


def _found(change: Change, path: Path, on: str, written: Any) -> int | None:
    """Where, in a key or a word, the old spelling begins; under ``variants`` and the like a key is an address that has it."""
    whole = _addressed(path, change.at[0])
    if on == "value" or change.old:
        return 0 if on == "value" and change.old and written == change.old and _is_at(whole, change.at) else None
    parts = str(path[-1]).split(".")
    inside = [str(each) for each in whole[-len(parts) :]]
    if inside != parts[-len(inside) :]:
        inside = parts = [str(path[-1])]
    for number in range(len(inside)):
        if _is_at(whole[: len(whole) - len(inside) + number + 1], change.at):
            return len(".".join(parts)) - len(".".join(inside[number:]))
    return None


def _addressed(path: Path, block: str) -> Path:
    """The address that a place is about: that of a change, where it stands under variants, budgets, a phase's set, a with."""
    length = {"variants": 3, "budgets": 3, "learning": 4, "use": 4}.get(str(path[0]), 0)
    if not length or len(path) < length or (length == 4 and path[2] not in ("set", "with")):
        return path
    parts: Path = (*str(path[length - 1]).split("."), *path[length:])
    begins = next((number for number, part in enumerate(parts) if part in (*FILE_KEYS, block)), None)  # behind fragments
    return path if begins is None else parts[begins:]


def _is_at(path: Path, at: tuple[str, ...]) -> bool:
    """Whether an address is that of a change; a lone word is its entry's main key."""
    if len(path) == len(at) - 1 == 2 and MAIN.get(at[0]) == at[-1]:
        path = (*path, at[-1])
    return len(path) == len(at) and all(wanted in (ANY, part) for wanted, part in zip(at, path, strict=True))


def _edit(path: Path, place: Place, written: str, at: int, change: Change) -> Edit | None:
    """The edit of a spelling inside what is written at a place; none where that is written with escapes."""
    old = change.old or change.at[-1]
    begins = place.text[place.column - 1 : place.end_column - 1].find(written)
    if begins < 0:
        return None
    column = place.column + begins + at
    return Edit(path, replace(place, column=column, end_column=column + len(old)), old, change.new or "")


def _obstacle(document: Document, change: Change, path: Path, on: On, edit: Edit | None) -> Issue | None:
    """Why an edit will not do: there is no new spelling, it is there already, or the old one is written with escapes."""
    old = change.old or change.at[-1]
    if change.new is None:
        return Issue("FG216", f'"{old}" is no longer in the language', path, on=on, fix=change.why or "take it out")
    if edit is None:
        return Issue("FG216", f'"{old}" is spelled "{change.new}" now', path, on=on, fix=f"write {change.new}")
    if on == "key" and document.has((*path[:-1], str(path[-1])[: -len(old)] + change.new)):
        message = f'"{old}" is spelled "{change.new}" now, and that is there as well'
        return Issue("FG216", message, path, on=on, fix="keep one of them")
    return None


def _edited(text: str, edits: Iterable[Edit]) -> str:
    """The text with its edits; places count lines that end in any of YAML's ways, and characters after a byte order mark."""
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    lines = re.split(r"(?<=\n)|(?<=\r)(?!\n)", text[len(mark) :])
    for edit in sorted(edits, key=lambda each: -each.place.column):
        at, start = edit.place.line - 1, edit.place.column - 1
        assert lines[at].startswith(edit.old, start), "an edit is where its old spelling stands"
        lines[at] = lines[at][:start] + edit.new + lines[at][start + len(edit.old) :]
    return mark + "".join(lines)
