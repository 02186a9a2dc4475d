"""Expressions of the spec language: parsed by :mod:`ast` in eval mode, restricted to our grammar, never evaluated by Python.

The tree is small and frozen; every node knows the characters that it was written with, so that errors point inside the text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Span = tuple[int, int]  # characters of the expression's own text, the end exclusive


@dataclass(frozen=True)
class Slot:
    """``[t-1]`` is (index "t", offset -1); ``[2]`` is (None, 2); ``[last]`` is ("last", 0)."""

    index: str | None
    offset: int
    span: Span


@dataclass(frozen=True)
class Number:
    value: float
    span: Span


@dataclass(frozen=True)
class Read:
    """``Y``, ``Z[t-1]``, ``P[t].where``, ``first.predicted``. ``name`` keeps its dots; what follows a slot is ``output``.

    Without a slot the last part of a dotted name may be an output: whoever knows the names decides.
    """

    name: tuple[str, ...]
    slot: Slot | None
    output: str | None
    span: Span
    name_span: Span


@dataclass(frozen=True)
class Call:
    """``decoder(Z)``, ``pool.unpool(what, where)``, ``pool(H).what``, ``sum(A, t)``."""

    name: tuple[str, ...]
    arguments: tuple[Node, ...]
    output: str | None
    span: Span
    name_span: Span


@dataclass(frozen=True)
class Binary:
    operator: Literal["+", "-", "*", "/"]
    left: Node
    right: Node
    span: Span


@dataclass(frozen=True)
class Negate:
    operand: Node
    span: Span


Node = Number | Read | Call | Binary | Negate
