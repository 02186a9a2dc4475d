"""User text becomes harmless here, and nowhere else: before it enters DOT, and with it SVG, PDF and PNG, or HTML, or Mermaid."""

from __future__ import annotations

import html
import json
import re
import textwrap

SUBSCRIPTS = str.maketrans("0123456789-", "₀₁₂₃₄₅₆₇₈₉₋")
JOINER = "\u2060"  # has no width
LONGEST = 2000  # characters of one label; a diagram is not the place for more
_NOT_XML = "\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"
_TURNING = "\u200e\u200f\u2028-\u202e\u2066-\u2069"
_FORBIDDEN = re.compile(f"[{_NOT_XML}{_TURNING}]")


def plain(text: str) -> str:
    """The text without what XML forbids and without marks that turn the reading direction; at most ``LONGEST`` characters."""
    clean = _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n").replace("\t", " "))
    return clean if len(clean) <= LONGEST else clean[: LONGEST - 1] + "…"


def markup(text: str) -> str:
    """One line for HTML and for Graphviz labels of its HTML kind; a line break becomes a space.

    Graphviz puts names in the place of ``\\G``, ``\\N`` and their like, even where the backslash is written as an entity: an
    invisible joiner keeps the two apart.
    """
    escaped = html.escape(plain(text).replace("\n", " "), quote=True).replace("&#x27;", "&#39;")
    return re.sub(r"\\(?=[A-Za-z])", f"&#92;{JOINER}", escaped).replace("\\", "&#92;")


def quoted(text: str) -> str:
    """A Mermaid label in its quotes: everything but letters, digits, blanks and mathematical signs goes as a character code."""
    clean = plain(text).replace("\n", " ")
    return '"' + re.sub(r"[^\w .,=+()\[\]|/·−×‖²ᵀ…Σ-]", lambda sign: f"#{ord(sign.group())};", clean) + '"'


def scalar(text: str) -> str:
    """A YAML scalar in double quotes, for Mermaid's front matter; angle brackets cannot open a tag."""
    return json.dumps(plain(text).replace("\n", " ")).replace("<", "\\u003c").replace(">", "\\u003e")


def wrapped(text: str, width: int) -> list[str]:
    """The text in lines of at most ``width`` characters, broken at blanks where there are any."""
    return [line for part in plain(text).split("\n") for line in textwrap.wrap(part, width)]


def subscript(name: str, *slots: int) -> str:
    """``Z`` at slot 1 is ``Z₁``; at two slots ``Z₁,₂``."""
    return name + ",".join(str(slot).translate(SUBSCRIPTS) for slot in slots)
