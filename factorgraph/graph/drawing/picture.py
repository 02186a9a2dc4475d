"""What is on a picture, before anybody knows where: shapes, their lines of text, and the lines between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from factorgraph.graph.drawing.parts import levels

Kind = Literal["observed", "latent", "noise", "derived", "function", "factor", "operator", "constant", "fragment"]
State = Literal["", "trained", "unused", "added", "removed", "changed"]
# in a phase: what it trains, what it does not touch; all else is used as it is. Of two graphs: what only the second has, only
# the first, and what differs
VARIABLES = ("observed", "latent", "noise", "derived")


@dataclass(frozen=True)
class Node:
    """One shape. ``family``: functions that share parameters have one number, and with it one colour. ``of``: the value of the
    graph that it stands for, or the factor, as ``factor sparsity``, or the fragment. ``part``: the fragment in whose frame it
    stands."""

    id: str  # letters, digits and "_" only
    kind: Kind
    lines: tuple[str, ...]  # as read, not yet escaped
    family: int | None = None
    of: str = ""
    part: str = ""
    state: State = ""


@dataclass(frozen=True)
class Edge:
    """A line. With ``arrow`` a value flows from ``tail`` to ``head``; without, a factor (``head``) touches a value.

    ``backward``: the head stands nearer to the observed variables than the tail, so the arrow points back.
    """

    tail: str
    head: str
    arrow: bool
    backward: bool = False
    state: State = ""


@dataclass(frozen=True)
class Drawing:
    """The factor graph as a picture. ``columns``: nodes that stand under each other; ``across``: read from left to right."""

    title: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    columns: tuple[tuple[str, ...], ...] = ()
    across: bool = True
    notes: tuple[str, ...] = ()  # sentences below the picture
    prefix: str = ""  # of the names of its frames, where several drawings stand in one picture

    @cached_property
    def frames(self) -> tuple[str, ...]:
        """The fragments that are drawn open, outermost first."""
        return tuple(dict.fromkeys(each for node in self.nodes for each in levels(node.part)))

    @cached_property
    def by_id(self) -> Mapping[str, Node]:
        return {each.id: each for each in self.nodes}


@dataclass(frozen=True)
class Strip:
    """Several drawings in one picture, one below the other, each with its own ``prefix``: a graph in its phases.

    ``wide``: a picture of its own would be wider than a slide, so that this one is made small.
    """

    title: str
    drawings: tuple[Drawing, ...]
    wide: bool = False
