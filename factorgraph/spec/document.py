"""A spec's text as plain values, each with its place: the only module that others need for reading YAML.

YAML is read by the rules of 1.2: ``1e-3`` is a number; ``no``, ``on``, ``off`` are words; ``017`` is 17. See :mod:`.scalars`.
"""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path as File
from typing import Any, Literal

from factorgraph.errors import BY_NAME, Issue, Path, Place, SpecError, address
from factorgraph.spec.events import LARGEST, Broken, Built, EventReader, Node, unprintable
from factorgraph.spec.places import Lines
from factorgraph.spec.scalars import offsets
from factorgraph.spec.yaml_errors import explain

MOST_ROUNDS = 10  # how often a text is read again with a mistake masked, to find the next one
LONGEST_REREAD = 64 * 1024  # characters; the pure parser needs a second for as many

On = Literal["key", "value"]
MOST_BYTES = LARGEST + len(codecs.BOM_UTF8)
OUTSIDE = "FG314"  # a number that is not in its field's range
_COMMENT = re.compile(r"(?:^|[ \t])#", re.MULTILINE)
_WORD = re.compile(r"[A-Za-z_]\w*")
_FILLER = str.maketrans("[](){},:\"'#&*!", "_" * 14)
_OTHER_HEADS = {codecs.BOM_UTF32_LE: "UTF-32", codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16"}


@dataclass(frozen=True)
class _Edit:
    """A value that came from elsewhere: from ``--set`` (its own lines and nodes), from another address of the file, or of
    another file, ``there``."""

    path: Path
    lines: Lines
    nodes: Mapping[Path, Node]  # relative to the path
    at: Path | None
    there: Document | None = None


@dataclass(frozen=True, eq=False)
class Document:
    """What a file says, unchecked: plain values, and where each of them and each key stands."""

    file: str
    text: str
    values: dict[str, Any]
    _nodes: Mapping[Path, Node] = field(repr=False)
    _lines: Lines = field(repr=False)
    _edits: tuple[_Edit, ...] = field(default=(), repr=False)
    unseen: bool = False  # made in Python: its text is ours, so that places are told by their addresses
    parts: Mapping[str, Document] = field(default_factory=dict, repr=False)  # what it uses as fragments, by name
    told: Mapping[Path, str] = field(default_factory=dict, repr=False)  # of a filled spec that a run keeps: its own comments

    def has(self, path: Path) -> bool:
        """Whether something is written at an address."""
        return len(self._existing(path)) == len(path)

    def get(self, path: Path) -> Any:
        """The plain value at an address. KeyError if there is none."""
        if not self.has(path):
            raise KeyError(path)
        return _value_at(self.values, path)

    def place(self, path: Path, on: On = "value", span: tuple[int, int] | None = None) -> Place:
        """Where an address is written; if nothing is there, the key of the nearest entry around it.

        A short form stands for what it abbreviates: ``functions.encoder.type`` is the word in ``encoder: linear``. ``span`` are
        characters of the value, mapped through quotes and escapes to columns of the file. An address of a fragment's entry,
        ``factors.(first.sparsity)``, is placed in the fragment's file.
        """
        part, path = self._divided(path)
        if part:
            return self.parts[part].place(path, on, span)
        found, at = self._place(path, on, span)
        return replace(found, address=address(at) or "the spec") if self.unseen and found.file == self.file else found

    def _place(self, path: Path, on: On, span: tuple[int, int] | None) -> tuple[Place, Path]:
        """The place, and the address that it is the place of."""
        target = self._existing(path)
        if len(target) < len(path) and isinstance(_value_at(self.values, target), dict | list):
            on, span = "key", None
        for edit in reversed(self._edits):
            if target[: len(edit.path)] == edit.path:
                return self._edited_place(edit, target, on, span)
        while target not in self._nodes:  # a map that an edit made; its entry is the nearest thing that someone wrote
            for edit in reversed(self._edits):
                if edit.path[: len(target)] == target:
                    return self._edited_place(edit, edit.path, "key", None)
            target = target[:-1]
        return _place(self._lines, self._nodes[target], on, span, _value_at(self.values, target)), target

    def _divided(self, path: Path) -> tuple[str, Path]:
        """The fragment that an address leads into, and the address in it; no fragment where it stays in this file.

        Into fragments that were not read with the file it does not lead: such an address is that of their use.
        """
        if len(path) < 2 or path[0] not in BY_NAME or "." not in str(path[1]):
            return "", path
        part, _, name = str(path[1]).partition(".")
        if part in self.parts:
            return part, (path[0], name, *path[2:])
        return "", ("use", part) if self.has(("use", part)) else path

    def locate(self, it: Issue) -> Issue:
        """The issue with its place, unless it has one; in a fragment, with the places where that is used."""
        if it.place is not None:
            return it
        part, path = self._divided(it.path)
        if not part:
            return self._given(it) or replace(it, place=self.place(it.path, it.on, it.span))
        return replace(self.used(part, self.parts[part].locate(replace(it, path=path))), path=it.path)

    def _given(self, it: Issue) -> Issue | None:
        """A number that is not in its range, located where the one dim that it reads was given: by ``with`` of what uses this as
        a fragment, by ``--set``, a variant. Nothing where that is this file itself."""
        written = _value_at(self.values, it.path) if it.code == OUTSIDE and self.has(it.path) else None
        dims = {("dims", each) for each in _WORD.findall(written)} if isinstance(written, str) else set()
        given = [edit for edit in self._edits if edit.path[:2] in dims]
        if len({edit.path[:2] for edit in given}) != 1:
            return None
        edit, read = given[-1], self.place(it.path, it.on, it.span)
        told = replace(it, span=None, notes=(*it.notes, f"{address(it.path)} reads it, in {read.file}:{read.line}"))
        if edit.there is not None and edit.at is not None:
            return edit.there.locate(replace(told, path=edit.at))
        return replace(told, place=self.place(edit.path))

    def used(self, part: str, it: Issue) -> Issue:
        """An issue from inside a fragment with a note where it is used, unless what is wrong was written here."""
        assert it.place is not None, "issues of a fragment are located there"
        if it.place.origin or it.place.address or it.place.file == self.file:
            return it
        place = self.place(("use", part), "key")
        return replace(it, notes=(*it.notes, f"used as {part} in {place.address or f'{place.file}:{place.line}'}"))

    def located(self, issues: Iterator[Issue] | tuple[Issue, ...] | list[Issue]) -> list[Issue]:
        """The issues with their places, in the order of the file; those from elsewhere come last."""
        return sorted((self.locate(it) for it in issues), key=self._order)

    @contextmanager
    def locating(self) -> Iterator[None]:
        """Give the issues of a SpecError that is raised inside their places."""
        try:
            yield
        except SpecError as error:
            raise SpecError(self.located(error.issues)) from error

    def edit(
        self, path: Path, value: Any, origin: str, text: str = "", at: Path | None = None, there: Document | None = None
    ) -> Document:
        """The document with another value at an exact address; maps on the way are made if need be.

        ``text`` is what the user wrote, ``factors.x.weight=abc``: it is the excerpt in messages. ``at``: the value stands in this
        very file at that address (under ``variants``), or in another, ``there``, and is shown there. Raises SpecError where the
        address leads through what is no map, or past the end of a list.
        """
        lines = Lines(text or "=".join((".".join(map(str, path)), repr(value))), origin, origin)
        nodes = _written_nodes(lines.text, value)
        edit = _Edit(path, lines, nodes, at if there else None, there)
        if there is None and at in self._nodes:
            edit = _Edit(path, Lines(self.text, self.file, origin), {}, at)
        values = _with(self.values, path, value, Issue("FG121", "", path, place=_place(lines, nodes[()], "key", None, None)))
        return replace(self, values=values, _edits=(*self._edits, edit))

    def without(self, path: Path) -> Document:
        """The document without what stands at an address."""
        *above, key = path
        rest = {name: each for name, each in self.get(tuple(above)).items() if name != key}
        return replace(self, values=_with(self.values, tuple(above), rest, Issue("FG126", "")))

    def source(self, path: Path) -> tuple[Document, Path]:
        """The document that gives the value at an address, and its address there: another's, where the ``with`` of a use does."""
        for edit in reversed(self._edits):
            if path[: len(edit.path)] == edit.path:
                if edit.there is None or edit.at is None:
                    break
                return edit.there.source((*edit.at, *path[len(edit.path) :]))
        return self, path

    def overlaid(self, path: Path) -> Iterator[Place]:
        """Where values stand that were put at an address, or around it, one after the other: the last one counts."""
        for edit in self._edits:
            if edit.lines.origin and path[: len(edit.path)] == edit.path and edit.there is None:
                nodes = edit.nodes if edit.at is None else self._nodes
                yield _place(edit.lines, nodes[edit.at or ()], "value", None, None)

    def recalled(self) -> Document:
        """The same document, as one that says of its values where they came from, in the comments behind them."""
        found: dict[Path, str] = {}
        for path, node in self._nodes.items():
            if isinstance(self.get(path), dict) and self.get(path):
                continue  # a block, which ends where its last value does
            end = self.text.find("\n", node.end)
            behind = self.text[node.end : end if end >= 0 else len(self.text)].strip()
            if behind.startswith("# "):
                found[path] = behind[2:]
        return replace(self, told=found)

    def _edited_place(self, edit: _Edit, target: Path, on: On, span: tuple[int, int] | None) -> tuple[Place, Path]:
        rest = target[len(edit.path) :]
        if edit.there is not None and edit.at is not None:
            return edit.there.place((*edit.at, *rest), on, span), target
        value = _value_at(self.values, target)
        nodes = self._nodes if edit.at is not None else edit.nodes
        origin = edit.at if edit.at is not None else ()
        while (*origin, *rest) not in nodes:
            rest, span = rest[:-1], None
        return _place(edit.lines, nodes[(*origin, *rest)], on, span, value), (*origin, *rest)

    def _existing(self, path: Path) -> Path:
        """As much of an address as is there."""
        value: Any = self.values
        for depth, part in enumerate(path):
            is_item = isinstance(value, list) and isinstance(part, int) and 0 <= part < len(value)
            if not is_item and not (isinstance(value, dict) and part in value):
                return path[:depth]
            value = value[part]
        return path

    def _order(self, it: Issue) -> tuple[bool, str, int, int]:
        place = it.place
        assert place is not None, "issues are located before they are sorted"
        return (place.file != self.file, place.file, place.line, place.column)


def read(text: str, file: str) -> Document:
    """A spec's text. Raises SpecError with every mistake of the text that can be told apart."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    built = _build(text, file)
    lines = Lines(text, file)
    if not isinstance(built.value, dict):
        empty = built.value is None
        message = "the file is empty" if empty else "a spec is a map of keys, not a list or a single value"
        where = lines.place(built.nodes[()].start, built.nodes[()].start + 1)
        raise SpecError(Issue("FG121", message, fix="begin with: factorgraph: 1", place=where))
    return Document(file, text, built.value, built.nodes, lines)


def read_scalar(text: str) -> Any:
    """One value by the same rules, as ``--set`` takes it: ``1e-3``, ``[a, b]``, ``{type: l1}``. Raises SpecError."""
    return _build(text.replace("\r\n", "\n").replace("\r", "\n"), "--set").value


def bytes_of(path: File, file: str) -> bytes:
    """The bytes of a spec's file, called ``file`` in messages; one that is too large is not read. Raises SpecError, OSError."""
    with path.open("rb") as opened:
        size = os.fstat(opened.fileno()).st_size
        if size > MOST_BYTES:
            raise SpecError(_too_large(size, file))
        return opened.read(MOST_BYTES + 1)  # of one that grows meanwhile enough to be refused


def decode(data: bytes, file: str) -> str:
    """A file's bytes as text: UTF-8, with or without a byte order mark. Raises SpecError."""
    if len(data) > MOST_BYTES:
        raise SpecError(_too_large(len(data), file))
    for head, name in _OTHER_HEADS.items():
        if data.startswith(head):
            where = Place(file, 1, 1, 1, 1)
            raise SpecError(Issue("FG101", f"the file is {name}", fix="save it as UTF-8", place=where))
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8", "replace")
        lines = Lines(before.replace("\r\n", "\n"), file)
        where = lines.place(len(lines.text), len(lines.text) + 1)
        message = f"the byte 0x{data[error.start]:02x} is not UTF-8"
        raise SpecError(Issue("FG101", message, fix="save the file as UTF-8", place=where)) from None


def _build(text: str, file: str) -> Built:
    """Values and nodes of a text. A mistake that stops the parser is masked, and the rest read for more."""
    _check_text(text, file)
    issues: list[Issue] = []
    reader = EventReader(text, file)
    masked = text
    for _ in range(MOST_ROUNDS if len(text) < LONGEST_REREAD else 1):
        reader = EventReader(masked, file)
        reader.lines = Lines(text, file)
        try:
            reader.run()
        except Broken as broken:
            explained = explain(broken)
            issues.append(explained.issue)
            if explained.piece is not None:
                start, end = explained.piece
                masked = masked[:start] + masked[start:end].translate(_FILLER) + masked[end:]
                continue
        break
    issues += reader.issues
    if "\t" in text and not issues:
        issues += _tabs(reader)
    if issues:
        lines = sorted(issues, key=lambda it: (it.place.line, it.place.column) if it.place else (0, 0))
        raise SpecError(lines)
    if not reader.nodes:
        reader.nodes[()] = Node(-1, -1, 0, 0)
    return Built(reader.root, reader.nodes)


def _check_text(text: str, file: str) -> None:
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > LARGEST:
        raise SpecError(_too_large(size, file))
    if found := unprintable(text):
        where = Lines(text, file).place(found.start(), found.end())
        message = f"the character U+{ord(found.group()):04X} cannot stand in a spec"
        raise SpecError(Issue("FG103", message, fix="remove it", place=replace(where, text="")))


def _too_large(size: int, file: str) -> Issue:
    message = f"a spec has at most {LARGEST // 1024} KiB, this one has {size // 1024 + 1}"
    return Issue("FG102", message, fix="divide it into fragments, and use them", place=Place(file, 1, 1, 1, 1))


def _tabs(reader: EventReader) -> list[Issue]:
    """Tabs between words; inside quotes, blocks of text and comments they are the user's own. Looks at no character twice."""
    text = reader.text
    found: list[Issue] = []
    scalars = iter([*reader.scalars, (len(text), len(text))])
    begin, end = next(scalars)
    start = 0  # of what may hold the comment that a tab is in: the line, or what follows its last quote
    at = text.find("\t")
    while at >= 0 and len(found) < MOST_ROUNDS:
        while end <= at:
            start = max(start, end)
            begin, end = next(scalars)
        start = max(start, text.rfind("\n", start, at) + 1)
        if begin <= at:
            at = text.find("\t", end)
        elif _COMMENT.search(text, start, at):
            line_end = text.find("\n", at)
            at = text.find("\t", line_end) if line_end >= 0 else -1
        else:
            where = reader.lines.place(at, at + 1)
            found.append(Issue("FG112", "a tab between words", fix="replace it by spaces", place=where))
            at = text.find("\t", at + 1)
    return found


def _written_nodes(text: str, value: Any) -> Mapping[Path, Node]:
    """The nodes of ``address=value``, relative to the address. If the value doesn't read back, it is one piece."""
    equals = text.find("=")
    key = (0, equals) if equals > 0 else (-1, -1)
    blank = " " * (equals + 1) + text[equals + 1 :]
    nodes: dict[Path, Node] = {}
    try:
        built = _build(blank, "")
        if built.value == value:
            nodes = dict(built.nodes)
    except SpecError:
        pass  # what Python or an earlier reading put there need not be YAML; then it is shown as a whole
    start, end = (nodes[()].start, nodes[()].end) if nodes else (equals + 1, len(text))
    nodes[()] = Node(*key, start, end)
    return nodes


def _place(lines: Lines, node: Node, on: On, span: tuple[int, int] | None, value: Any) -> Place:
    if on == "key" and node.key_start >= 0:
        return lines.place(node.key_start, node.key_end)
    start, end = node.start, node.end
    if span is not None and isinstance(value, str | int | float):
        text = value if isinstance(value, str) else lines.text[start:end]
        found = offsets(lines.text, start, end, text)
        if found is not None:
            last = len(found) - 1
            first = min(max(span[0], 0), last)
            until = min(max(span[1], first), last)
            start, end = found[first], found[until]
    elif isinstance(value, dict | list) and lines.text[start : start + 1] not in ("{", "["):
        first_line_end = lines.text.find("\n", start, end)  # a block goes on for many lines; its first says which it is
        end = first_line_end if first_line_end >= 0 else end
    return lines.place(start, start + len(lines.text[start:end].rstrip()))


def _value_at(values: Any, path: Path) -> Any:
    for part in path:
        values = values[part]
    return values


def _with(container: Any, path: Path, value: Any, problem: Issue) -> Any:
    """A copy of nested maps and lists with another value at an address."""
    if not path:
        return value
    head, rest = path[0], path[1:]
    if isinstance(container, dict):
        return {**container, head: _with(container.get(head, {} if rest else None), rest, value, problem)}
    if isinstance(container, list) and isinstance(head, int):
        if not 0 <= head < len(container):
            raise SpecError(replace(problem, code="FG126", message=f"there is no item {head} in a list of {len(container)}"))
        return [*container[:head], _with(container[head], rest, value, problem), *container[head + 1 :]]
    raise SpecError(replace(problem, code="FG126", message=f'there is nothing at "{head}": what stands there is no map'))
