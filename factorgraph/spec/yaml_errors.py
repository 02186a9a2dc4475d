"""The parser's complaints as sentences for users, at the first cause rather than where the parser gave up."""

from __future__ import annotations

import re
from itertools import islice
from typing import NamedTuple

import yaml

from factorgraph.errors import Issue
from factorgraph.spec.events import DEEPEST, TOO_DEEP, Broken, EventReader

_CLOSES = {"(": ")", "[": "]", "{": "}"}
_INDENTED_TAB = re.compile(r"^ *\t", re.MULTILINE)
_QUOTES = 'put the whole text in quotes: "..."'


class Explained(NamedTuple):
    issue: Issue
    piece: tuple[int, int] | None = None  # an expression whose brackets stopped the parser: it can be masked, and parsing go on


class _Stop(NamedTuple):
    """Where and why the parser gave up."""

    reader: EventReader
    text: str
    context: str
    problem: str
    opening: int  # offset of what was being read
    at: int  # offset of the problem

    def issue(self, code: str, message: str, start: int, end: int, fix: str = "", *, replacement: str | None = None) -> Issue:
        place = self.reader.lines.place(start, max(end, start + 1))
        return Issue(code, message, fix=fix, replacement=replacement, place=place)

    def line_of(self, offset: int) -> int:
        return self.reader.lines.position(offset)[0]


def explain(broken: Broken) -> Explained:
    """What the user did. Never fails: what is not known is told in the parser's words."""
    stop = _stop(broken)
    if "nesting depth" in stop.problem:
        opened = [match.start() for match in islice(re.finditer(r"[\[{]", stop.text), DEEPEST + 1)]
        return Explained(stop.issue("FG104", TOO_DEEP, opened[-1], opened[-1] + 1))
    tab = _tab(stop)
    if tab is not None:
        return Explained(tab)
    piece = _bracketed_piece(stop)
    if piece is not None:
        whole = stop.reader.lines.text[slice(*piece)]
        message = f"the brackets in {whole} are read as a list of their own: write quotes"
        fix = "put the expression in quotes"
        return Explained(stop.issue("FG115", message, *piece, fix=fix, replacement=f'"{whole}"'), piece)
    return Explained(_scalar(stop) or _flow(stop) or _mark(stop) or _block(stop) or _unknown(stop))


def _stop(broken: Broken) -> _Stop:
    reason = broken.reason
    text = broken.reader.text
    if not isinstance(reason, yaml.MarkedYAMLError) or reason.problem_mark is None:
        return _Stop(broken.reader, text, "", str(reason).split("\n")[0], 0, 0)
    at = min(reason.problem_mark.index, len(text))
    opening = reason.context_mark.index if reason.context_mark is not None else at
    return _Stop(broken.reader, text, reason.context or "", reason.problem or "", opening, at)


def _tab(stop: _Stop) -> Issue | None:
    """Tabs are the parser's first stumbling block, often lines before it falls."""
    end = stop.text.find("\n", stop.at)
    scalars = stop.reader.scalars
    begin = scalars[-1][1] if scalars else 0  # quotes and blocks that were read hold tabs of their own
    match = _INDENTED_TAB.search(stop.text, begin, end if end >= 0 else len(stop.text))
    at = match.end() - 1 if match else stop.at if stop.text[stop.at : stop.at + 1] == "\t" else -1
    if at < 0:
        return None
    return stop.issue("FG112", "a tab: lines are indented with spaces", at, at + 1, "replace it by spaces")


def _bracketed_piece(stop: _Stop) -> tuple[int, int] | None:
    """``Z[t-1]`` in a flow list: the bracket ends the word for YAML, and something else should have come."""
    if not _inner_flow(stop) or stop.text[stop.at : stop.at + 1] not in ("[", "{"):
        return None
    last = stop.reader.last
    if last is None or last.style or last.end_mark.index != stop.at:
        return None
    start, at, depth = last.start_mark.index, stop.at, 0
    depth = last.value.count("(") - last.value.count(")")
    while at < len(stop.text) and stop.text[at] != "\n":
        character = stop.text[at]
        if character in "([{":
            depth += 1
        elif character in ")]}":
            if depth == 0:
                break
            depth -= 1
        elif depth == 0 and character == ",":
            break
        at += 1
    if depth != 0:
        return None
    return start, start + len(stop.text[start:at].rstrip())


def _inner_flow(stop: _Stop) -> int | None:
    """Where the innermost open ``[`` or ``{`` of YAML stands, plus one so that it is never 0."""
    frames = stop.reader.frames
    return frames[-1].start + 1 if frames and frames[-1].flow else None


def _scalar(stop: _Stop) -> Issue | None:
    """Quotes that aren't closed, or closed too early, and bad escapes."""
    if "quoted scalar" in stop.context or "double-quoted" in stop.context:
        if "escape" in stop.problem or "hex" in stop.problem.lower():
            start = stop.text.rfind("\\", 0, stop.at + 1)
            start = start if start >= stop.opening else stop.at
            fix = "write \\\\ for a backslash, or use single quotes"
            return stop.issue("FG123", "a backslash in double quotes that writes no character", start, stop.at + 1, fix)
        return stop.issue("FG117", "a quote is opened here and never closed", stop.opening, stop.opening + 1, "close it")
    last = stop.reader.last
    if last is None or last.style not in ("'", '"'):
        return None
    start, end = last.start_mark.index, last.end_mark.index
    if end > stop.at or stop.text[end : stop.at].strip():
        return None
    if stop.line_of(start) != stop.line_of(end):
        line = stop.line_of(end)
        message = f"the quote opened here is closed only in line {line}"
        return stop.issue("FG117", message, start, start + 1, "close it in its line")
    if stop.text[stop.at : stop.at + 1] not in ("\n", "", ",", "]", "}", ":"):
        stretch = re.compile(r"[^\n,\]}#]*").match(stop.text, stop.at)
        until = stretch.end() if stretch else stop.at + 1
        return stop.issue("FG124", "text follows a closed quote", stop.at, until, _QUOTES)
    return None


def _flow(stop: _Stop) -> Issue | None:
    """Brackets that are not closed, closed by another one, or closed twice; entries without a comma."""
    character = stop.text[stop.at : stop.at + 1]
    inner = _inner_flow(stop)
    if inner is None:
        if character in ("]", "}"):
            return stop.issue("FG116", f'"{character}" closes nothing that is open here', stop.at, stop.at + 1, "remove it")
        return None
    start = inner - 1
    bracket = stop.text[start : start + 1]
    if bracket not in _CLOSES:
        return None
    closing = _CLOSES[bracket]
    if not character.strip() or stop.line_of(start) != stop.line_of(stop.at):
        fix = f'write the missing "{closing}"'
        return stop.issue("FG116", f'"{bracket}" is opened here and never closed', start, start + 1, fix)
    if character in ("]", "}"):
        return stop.issue("FG116", f'"{bracket}" is closed by "{character}"', stop.at, stop.at + 1, f'write "{closing}"')
    if character == ":":
        fix = f"write a comma between entries; or, if it is text, {_QUOTES}"
        return stop.issue("FG118", "a second ':' inside one entry", stop.at, stop.at + 1, fix)
    return None


def _mark(stop: _Stop) -> Issue | None:
    """Characters with a meaning of YAML's own at the beginning of a value."""
    if "anchor" in stop.context:
        return stop.issue("FG106", "an anchor: every value is written where it stands", stop.opening, stop.at + 1, _QUOTES)
    if "alias" in stop.context:
        return stop.issue("FG107", "an alias: every value is written where it stands", stop.opening, stop.at + 1, _QUOTES)
    if "tag" in stop.context or "tag" in stop.problem:
        return stop.issue("FG108", "a tag: nothing in a spec makes objects", stop.opening, stop.at + 1, _QUOTES)
    if "cannot start any token" in stop.problem:
        character = stop.text[stop.at : stop.at + 1]
        return stop.issue("FG122", f'no value begins with "{character}" without quotes', stop.at, stop.at + 1, _QUOTES)
    if "document start" in stop.problem or "directive" in stop.context or "directive" in stop.problem:
        return stop.issue("FG109", "a spec is one document without directives", stop.at, stop.at + 1, "remove what divides it")
    return None


def _block(stop: _Stop) -> Issue | None:
    """Lines that don't line up, and colons too many or too few."""
    if "mapping values are not allowed" in stop.problem:
        line = stop.text[stop.text.rfind("\n", 0, stop.at) + 1 : stop.at]
        if re.search(r":\s", line):
            return stop.issue("FG118", "a second ': ' in one line", stop.at, stop.at + 1, _QUOTES)
        start = stop.at - len(line.lstrip())
        message = "this line is indented like a part of the value above it"
        return stop.issue("FG119", message, start, stop.at, "line it up with its neighbours")
    if "could not find expected ':'" in stop.problem:
        end = stop.text.find("\n", stop.opening)
        end = end if end >= 0 else len(stop.text)
        fix = "write key: value, with a blank after the colon"
        return stop.issue("FG125", "a key without a ':' after it", stop.opening, end, fix)
    if "block" in stop.context or "block" in stop.problem or "expected key" in stop.problem:
        stretch = re.compile(r"\S*").match(stop.text, stop.at)
        end = stretch.end() if stretch else stop.at
        message = "this line does not line up with the entries above it"
        return stop.issue("FG119", message, stop.at, end, "give all entries of a block the same indentation")
    return None


def _unknown(stop: _Stop) -> Issue:
    because = f"{stop.context}: {stop.problem}" if stop.context else stop.problem
    fix = "where special characters are meant as text, write quotes"
    return stop.issue("FG120", f"this is not YAML ({because})", stop.at, stop.at + 1, fix)
