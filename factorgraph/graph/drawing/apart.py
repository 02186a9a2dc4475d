"""Two graphs in one picture: what both have once, and beside it what only one has, what differs, and how."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

from factorgraph.errors import Path
from factorgraph.graph.differences import Difference
from factorgraph.graph.drawing.build import draw
from factorgraph.graph.drawing.direction import is_across, is_free_of_loops, ranked
from factorgraph.graph.drawing.parts import before as part_before
from factorgraph.graph.drawing.parts import known_in
from factorgraph.graph.drawing.picture import Drawing, Edge, Node
from factorgraph.graph.model import Application, Graph, Variable

DRAWN = ("variables", "functions", "factors")  # blocks that the picture shows; differences of others are notes
MOST_LINES, LONGEST = 3, 24  # of a shape about what differs in it, and characters of a value there
MOST_NOTES = 6


def drawn_apart(before: Graph, after: Graph, found: Sequence[Difference], title: str) -> Drawing:
    """One picture of two graphs. ``found``: how their specs differ; fragments with a difference in them are drawn open."""
    inside = {part_before(str(each.path[1])) for each in found if len(each.path) > 1 and each.path[0] in DRAWN}
    left, right = (draw(graph, open=[each for each in known_in(graph) if each in inside]) for graph in (before, after))
    ends = {each.of: each for each in right.nodes}
    names = {each.id: ends[each.of].id if each.of in ends else f"gone_{each.id}" for each in left.nodes}
    old = {each.of: each for each in left.nodes}
    nodes = [_second(node, old.get(node.of), after, found) for node in right.nodes]
    nodes += [_marked(replace(each, id=names[each.id]), "removed") for each in left.nodes if each.of not in ends]
    edges = _edges([replace(each, tail=names[each.tail], head=names[each.head]) for each in left.edges], right.edges)
    columns: list[tuple[str, ...]] = []
    for column in right.columns:
        if is_free_of_loops([ranked(each) for each in edges], [*columns, column]):
            columns.append(column)
    across = is_across({each.id: each for each in nodes}, edges, columns)
    return Drawing(title, tuple(nodes), tuple(edges), tuple(columns), across, tuple(_notes(found)))


def _second(node: Node, first: Node | None, graph: Graph, found: Sequence[Difference]) -> Node:
    """A shape of the second graph, beside what it is in the first."""
    if first is None:
        return _marked(node, "added")
    entry = _entry(node, graph)
    said = [each for each in found if each.change == "changed" and entry and each.path[:2] == entry]
    if not said and (first.kind, first.lines) == (node.kind, node.lines):
        return replace(node, family=None)
    return _marked(node, "changed", tuple(_lines(said)))


def _marked(node: Node, state: Literal["added", "removed", "changed"], said: tuple[str, ...] = ()) -> Node:
    """A shape with its state in words: a sign before a formula would be one of it."""
    return replace(node, family=None, state=state, lines=(*node.lines, *(said or (state,))))


def _entry(node: Node, graph: Graph) -> Path:
    """The address of the entry that a shape stands for; nothing for what is only part of an expression."""
    if node.kind == "factor":
        return ("factors", graph.factors[node.of.removeprefix("factor ")].name)
    match graph.values.get(node.of):
        case Variable(name=name):
            return ("variables", name)
        case Application(function=function, output=None):
            return ("functions", graph.functions[function].spelled)
    return ()


def _lines(said: Sequence[Difference]) -> Iterator[str]:
    for each in said[:MOST_LINES]:
        key = ".".join(map(str, each.path[2:]))
        yield f"{key}: {_short(each.before)} → {_short(each.after)}"
    if len(said) > MOST_LINES:
        yield f"and {len(said) - MOST_LINES} more"


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _edges(before: Sequence[Edge], after: Sequence[Edge]) -> list[Edge]:
    old, new = ({frozenset((each.tail, each.head)): each for each in edges} for edges in (before, after))
    kept = [each if ends in old else replace(each, state="added") for ends, each in new.items()]
    return [*kept, *(replace(each, state="removed") for ends, each in old.items() if ends not in new)]


def _notes(found: Sequence[Difference]) -> Iterator[str]:
    """What differs and cannot be drawn, in a sentence."""
    others = [each for each in found if each.path[0] not in DRAWN]
    said = [f"{each.change} {each.address}{_values(each)}" for each in others[:MOST_NOTES]]
    said += [f"and {len(others) - MOST_NOTES} more"] if len(others) > MOST_NOTES else []
    if said:
        yield f"not drawn: {'; '.join(said)}"


def _values(it: Difference) -> str:
    return f" {_short(it.before)} → {_short(it.after)}" if it.change == "changed" else ""
