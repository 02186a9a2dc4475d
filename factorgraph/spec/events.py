"""From the parser's events to plain values with positions: no constructor, no recursion, no resolver but ours.

The events come from PyYAML (through libyaml where it is there). What YAML has and a spec must not have is refused here:
anchors, aliases, tags, merge keys, several documents, keys that are no words, keys written twice, and texts beyond the limits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import yaml

from factorgraph.errors import Issue, Path, SpecError
from factorgraph.spec.places import Lines
from factorgraph.spec.scalars import resolve

LARGEST = 256 * 1024  # bytes
DEEPEST = 64
TOO_DEEP = f"lists and maps are nested deeper than {DEEPEST} levels"
MOST_NODES = 100_000
MOST_ISSUES = 30  # of one file: what comes after is mostly a consequence
LONGEST_KEY = 200

_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")


class Node(NamedTuple):
    """Offsets of one value, and of its key (-1, -1 if it has none)."""

    key_start: int
    key_end: int
    start: int
    end: int


class Built(NamedTuple):
    value: Any
    nodes: dict[Path, Node]


class Broken(Exception):  # noqa: N818  it isn't an error of its own: the caller explains the parser's
    """The parser gave up. Holds what was known then."""

    def __init__(self, reason: yaml.YAMLError, reader: EventReader):
        super().__init__(str(reason))
        self.reason, self.reader = reason, reader


class _PureParser(yaml.reader.Reader, yaml.scanner.Scanner, yaml.parser.Parser):
    """PyYAML's own parser without composer and constructor, for machines without libyaml."""

    def __init__(self, text: str):
        yaml.reader.Reader.__init__(self, text)
        yaml.scanner.Scanner.__init__(self)
        yaml.parser.Parser.__init__(self)


def events(text: str) -> Iterator[Any]:
    """The parser's events, one at a time, so that a limit stops it early."""
    parser: Any = yaml.cyaml.CParser(text) if yaml.__with_libyaml__ else _PureParser(text)  # type: ignore[attr-defined]
    try:
        while (event := parser.get_event()) is not None:
            yield event
    finally:
        if hasattr(parser, "dispose"):
            parser.dispose()


@dataclass
class _Frame:
    """A collection whose end has not come yet."""

    path: Path
    value: dict[str, Any] | list[Any]
    start: int
    key: Node  # where its own key stands; only the first two numbers count
    flow: bool
    end: int = 0
    name: str | None = None  # the key whose value comes next
    name_at: tuple[int, int] = (-1, -1)
    seen: dict[str, int] = field(default_factory=dict)  # key: offset
    pieces: list[tuple[int, int, int]] = field(default_factory=list)  # start, end, open brackets: scalars cut by a comma
    is_key: bool = False


_NO_KEY = Node(-1, -1, -1, -1)


class EventReader:
    """One pass over one text. ``issues`` collects what the parser can go on after."""

    def __init__(self, text: str, file: str):
        self.text, self.lines = text, Lines(text, file)
        self.nodes: dict[Path, Node] = {}
        self.frames: list[_Frame] = []
        self.issues: list[Issue] = []
        self.scalars: list[tuple[int, int]] = []  # quoted and block scalars: tabs are theirs
        self.last: Any = None  # the last scalar's event
        self.root: Any = None
        self.count = 0
        self.documents = 0
        self.after_merge = False

    def run(self) -> None:
        """Raises :class:`Broken` where the parser gives up, SpecError at a limit."""
        try:
            for event in events(self.text):
                if self.take(event):
                    break
        except yaml.YAMLError as reason:
            raise Broken(reason, self) from None

    def take(self, event: Any) -> bool:
        """One event; true when nothing more is wanted."""
        if isinstance(event, yaml.ScalarEvent):
            self.scalar(event)
        elif isinstance(event, yaml.CollectionStartEvent):
            self.open(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            self.close(event)
        elif isinstance(event, yaml.AliasEvent):
            self.alias(event)
        elif isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                where: int = event.start_mark.index  # type: ignore[union-attr]  # the parsers always give marks
                self.report("FG109", "a spec is one document; here a second one begins", where, 3, fix="remove it")
                return True
        return len(self.issues) >= MOST_ISSUES

    # --- events ---

    def scalar(self, event: Any) -> None:
        self.node(event)
        start, end = event.start_mark.index, event.end_mark.index
        plain = not event.style
        self.last = event
        if not plain:
            self.scalars.append((start, end))
            if event.style == '"' and (found := unprintable(event.value)):
                what = f"an escape writes the character U+{ord(found.group()):04X}, which no text may hold"
                self.report("FG103", what, start, end - start, fix="remove the escape")
        self.tag(event)
        frame = self.frames[-1] if self.frames else None
        if frame is not None and frame.flow and plain:
            balance = event.value.count("(") - event.value.count(")")
            if balance or frame.pieces:
                frame.pieces.append((start, end, balance))
        if frame is not None and isinstance(frame.value, dict) and frame.name is None:
            self.key(frame, event, resolve(event.value) if plain else event.value)
        else:
            self.place(resolve(event.value) if plain else event.value, _NO_KEY, start, end)

    def open(self, event: Any) -> None:
        self.node(event)
        self.tag(event)
        start = event.start_mark.index
        if len(self.frames) >= DEEPEST:
            where = self.lines.place(start, start + 1)
            raise SpecError([*self.issues, Issue("FG104", TOO_DEEP, place=where)])
        value: dict[str, Any] | list[Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
        frame = self.frames[-1] if self.frames else None
        is_key = frame is not None and isinstance(frame.value, dict) and frame.name is None
        path = self.child_path(frame)
        key = Node(*frame.name_at, -1, -1) if frame is not None else _NO_KEY
        if is_key:
            self.report("FG113", "a key is a word, not a list or a map", start, 1, path)
        self.frames.append(_Frame(path, value, start, key, bool(event.flow_style), start, is_key=is_key))

    def close(self, event: Any) -> None:
        frame = self.frames.pop()
        if frame.flow:
            frame.end = event.end_mark.index
            self.commas(frame)
        if frame.is_key:
            self.frames[-1].name = "?"
            return
        self.nodes[frame.path] = Node(frame.key.key_start, frame.key.key_end, frame.start, frame.end)
        self.place(frame.value, frame.key, frame.start, frame.end, known=True)

    def alias(self, event: Any) -> None:
        start, end = event.start_mark.index, event.end_mark.index
        frame = self.frames[-1] if self.frames else None
        path = self.child_path(frame)
        if not self.after_merge:
            message = f'an alias, "{self.text[start:end]}": every value is written where it stands'
            self.report("FG107", message, start, end - start, path, fix="write the value out")
        if frame is not None and isinstance(frame.value, dict) and frame.name is None:
            frame.name = "*"
        else:
            self.place(None, _NO_KEY, start, end)

    # --- pieces of events ---

    def key(self, frame: _Frame, event: Any, name: Any) -> None:
        """A key: remembered until its value comes. What is wrong with it is reported, and the pass goes on."""
        start, end = event.start_mark.index, event.end_mark.index
        frame.name, frame.name_at = str(name), (start, end)
        path = (*frame.path, frame.name)
        if not isinstance(name, str):
            written = "nothing" if name is None else f'"{event.value}"'
            fix = "give it a name that begins with a letter"
            self.report("FG113", f"a key is a word, not {written}", start, end - start, path, fix=fix)
        elif name == "<<":
            fix = "copy the entries, or use a fragment"
            self.report("FG110", "a merge key: every entry is written out", start, end - start, path, fix=fix)
            self.after_merge = True
        elif len(name) > LONGEST_KEY or "\n" in name or not name.strip():
            self.report("FG113", f"a key is one word of at most {LONGEST_KEY} characters", start, end - start, path)
        elif name in frame.seen:
            first = self.lines.position(frame.seen[name])[0]
            again = self.lines.position(start)[0]
            message = f'the key "{name}" is written twice, in line {first} and in line {again}'
            self.report("FG111", message, start, end - start, path, fix="keep one of them")
        frame.seen.setdefault(str(name), start)

    def place(self, value: Any, key: Node, start: int, end: int, known: bool = False) -> None:
        """Put a finished value where it belongs."""
        self.after_merge = False
        if not self.frames:
            self.root = value
            self.nodes[()] = Node(-1, -1, start, end)
            return
        frame = self.frames[-1]
        if not known:
            self.nodes[self.child_path(frame)] = Node(*frame.name_at, start, end)
        frame.end = max(frame.end, end)
        if isinstance(frame.value, list):
            frame.value.append(value)
        else:
            assert frame.name is not None, "a value of a map comes after its key"
            frame.value[frame.name] = value
            frame.name, frame.name_at = None, (-1, -1)

    def child_path(self, frame: _Frame | None) -> Path:
        if frame is None:
            return ()
        if isinstance(frame.value, list):
            return (*frame.path, len(frame.value))
        return (*frame.path, frame.name) if frame.name is not None else frame.path

    def tag(self, event: Any) -> None:
        """Anchors and tags, which any value can carry."""
        start = event.start_mark.index
        path = self.child_path(self.frames[-1] if self.frames else None)
        if event.anchor is not None:
            width = len(event.anchor) + 1
            message = f'an anchor, "&{event.anchor}": every value is written where it stands'
            self.report("FG106", message, start, width, path, fix="remove it")
        if event.tag is not None:
            match = re.compile(r"![^\s,\[\]{}]*").search(self.text, start)
            where, width = (match.start(), len(match.group())) if match else (start, 1)
            message = f'a tag, "{event.tag}": nothing in a spec makes objects'
            self.report("FG108", message, where, width, path, fix="remove it")

    def node(self, event: Any) -> None:
        self.count += 1
        if self.count > MOST_NODES:
            index = event.start_mark.index
            message = f"a spec has at most {MOST_NODES} keys and values"
            raise SpecError([*self.issues, Issue("FG105", message, place=self.lines.place(index, index + 1))])

    def commas(self, frame: _Frame) -> None:
        """Calls that a comma cut in two: ``[X, critic(X, Y)]`` is a list of three."""
        first, depth = -1, 0
        for start, end, balance in frame.pieces:
            if len(self.issues) >= MOST_ISSUES:
                break
            if depth == 0 and balance > 0:
                first = start
            depth += balance
            if depth == 0 and first >= 0:
                whole = self.lines.text[first:end]
                self.issues = [it for it in self.issues if it.place is None or not self.lines.within(it.place, first, end)]
                message = f"a comma inside {'a map' if isinstance(frame.value, dict) else 'a list'} divides {whole}: write quotes"
                fix = "put the expression in quotes"
                self.report("FG114", message, first, end - first, frame.path, fix=fix, replacement=f'"{whole}"')
                first = -1
            depth = max(depth, 0)

    def report(
        self, code: str, message: str, start: int, width: int, path: Path = (), *, fix: str = "", replacement: str | None = None
    ) -> None:
        place = self.lines.place(start, start + max(width, 1))
        self.issues.append(Issue(code, message, path, fix=fix, replacement=replacement, place=place))


def unprintable(text: str) -> re.Match[str] | None:
    """The first character that no spec may hold: controls, other line ends than LF, halves of surrogate pairs."""
    return _UNPRINTABLE.search(text)
