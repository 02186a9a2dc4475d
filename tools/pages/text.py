"""What the makers of pages share: writing a page, a hidden table of contents, tables, docstrings as Markdown."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

MATH = re.compile(r"^\.\. math:: *(.*(?:\n(?: {4,}.*)?)*?)(?=\n\S|\Z)", re.MULTILINE)
FACTS = re.compile(r"^(Promises|Shapes|Units|Source|Needs|Errors|Fields|Formula): +", re.MULTILINE)


def put(page: Path, text: str) -> None:
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(text, encoding="utf-8")


def contents(pages: Iterable[str], head: str = "") -> str:
    """A table of contents for the menu alone: the page itself shows nothing of it."""
    caption = f":caption: {head}\n" if head else ""
    return "\n```{toctree}\n:hidden:\n" + caption + "\n" + "\n".join(pages) + "\n```\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def prose(text: str) -> str:
    """A docstring as Markdown: its formulas, its table of facts, its words of code."""
    text = MATH.sub(lambda it: f"$$\n{inspect.cleandoc(it[1])}\n$$\n", inspect.cleandoc(text))
    text = FACTS.sub(r"* **\1**: ", text)
    text = re.sub(r":(?:class|func|meth|mod|attr):`~?([^`]+)`", r"`\1`", text)
    text = re.sub(r"::\n\n((?: {4}.*\n?|\n)+)", lambda it: f":\n\n```python\n{inspect.cleandoc(it[1])}\n```\n", text)
    return re.sub(r"``([^`]+)``", r"`\1`", text)
