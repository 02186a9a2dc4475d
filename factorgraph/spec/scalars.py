"""What an unquoted word of YAML means, by the 1.2 core rules, and where the characters of a scalar stand in the file."""

from __future__ import annotations

import re

MOST_DIGITS = 300  # longer whole numbers stay words: no float holds them, and Python refuses to read 5000 digits

_WORDS: dict[str, bool | None] = {"": None, "~": None, "null": None, "Null": None, "NULL": None}
_WORDS |= {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NUMBER_BEGINS = frozenset("+-.0123456789")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPACE = " \t\n"
_ESCAPE = re.compile(r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[^\n])")
_LINE_JOIN = re.compile(r"\\\n[ \t]*")


def resolve(word: str) -> str | int | float | bool | None:
    """``1e-3`` is a number, ``no`` a word, ``017`` is 17, ``0o17`` is 15; ``.inf`` and ``.nan`` are words: no spec holds them."""
    if word in _WORDS:
        return _WORDS[word]
    if word[0] not in _NUMBER_BEGINS or len(word) > MOST_DIGITS:
        return word
    if _INTEGER.fullmatch(word):
        return int(word)
    if _OCTAL.fullmatch(word):
        return int(word[2:], 8)
    if _HEX.fullmatch(word):
        return int(word[2:], 16)
    if _FLOAT.fullmatch(word):
        number = float(word)
        return number if abs(number) < float("inf") else word
    return word


def offsets(source: str, start: int, end: int, value: str) -> list[int] | None:
    """Where each character of a scalar's value begins in ``source[start:end]``, and where the last one ends.

    Reads through quotes, escapes, doubled quotes and folded lines. ``None`` where the two don't match, as for a value that was
    not read from here.
    """
    style = source[start] if start < end else ""
    at = start
    if style in ("'", '"'):
        at += 1
    elif style in ("|", ">"):
        at = source.find("\n", start, end) + 1
        if at == 0:
            return None
    else:
        style = ""
    found = []
    for character in value:
        if character not in _SPACE or (style == '"' and at < end and source[at] == "\\"):
            at = _skip(source, at, end, style)
        length = _unit(source, at, end, style, character)
        if length == 0:
            return None
        found.append(at)
        at += length
    found.append(at)
    return found


def _skip(source: str, at: int, end: int, style: str) -> int:
    """Past the blanks and line ends that folding swallowed."""
    while at < end:
        if source[at] in _SPACE:
            at += 1
        elif style == '"' and (join := _LINE_JOIN.match(source, at, end)):
            at = join.end()
        else:
            break
    return at


def _unit(source: str, at: int, end: int, style: str, character: str) -> int:
    """How many characters of the source write this one; 0 if they don't."""
    if at >= end:
        return 0
    if style == '"' and source[at] == "\\":
        match = _ESCAPE.match(source, at, end)
        return len(match.group()) if match else 0
    if style == "'" and source.startswith("''", at):
        return 2 if character == "'" else 0
    same = source[at] == character or (source[at] in _SPACE and character in _SPACE)
    return 1 if same else 0
