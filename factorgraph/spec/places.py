"""Offsets in a text as lines and columns."""

from __future__ import annotations

from bisect import bisect_right
from functools import cached_property

from factorgraph.errors import Place


class Lines:
    """A text's line table. Lines end with LF alone; columns count characters, from 1."""

    def __init__(self, text: str, file: str, origin: str = ""):
        self.text, self.file, self.origin = text, file, origin

    @cached_property
    def starts(self) -> list[int]:
        starts, at = [0], self.text.find("\n")
        while at >= 0:
            starts.append(at + 1)
            at = self.text.find("\n", at + 1)
        return starts

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column, 1-based."""
        offset = min(max(offset, 0), len(self.text))
        line = bisect_right(self.starts, offset)
        return line, offset - self.starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of a line, 1-based."""
        start = self.starts[number - 1]
        end = self.text.find("\n", start)
        return self.text[start : end if end >= 0 else len(self.text)]

    def place(self, start: int, end: int) -> Place:
        line, column = self.position(start)
        end_line, end_column = self.position(max(start, end))
        return Place(self.file, line, column, end_line, end_column, self.line(line), self.origin)

    def within(self, place: Place, start: int, end: int) -> bool:
        """Whether a place of this text begins inside ``[start, end)``."""
        offset = self.starts[place.line - 1] + place.column - 1
        return start <= offset < end
