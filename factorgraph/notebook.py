"""How objects show themselves in a notebook: a little HTML, in which whatever is told stays text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


def heading(title: str, *lines: str) -> str:
    """A title, and lines below it."""
    return "".join((f"<b>{escape(title)}</b>", *(f"<br>{escape(line)}" for line in lines if line)))


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows under their heads."""
    head = "".join(f"<th>{escape(each)}</th>" for each in heads)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def pre(text: str) -> str:
    """Text as it stands, line by line."""
    return f"<pre>{escape(text)}</pre>"
