"""Shapes for what a drawing of the energy lacks: values that only a procedure reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from factorgraph.compile.dependence import origin
from factorgraph.compile.naming import named_procedures, reads
from factorgraph.graph.drawing import Drawing, Edge, Node, words
from factorgraph.graph.drawing.parts import part_of
from factorgraph.graph.drawing.picture import Kind
from factorgraph.graph.model import Application, Graph, Id


class Beside:
    """The shapes and lines of a drawing, with those that are added."""

    def __init__(self, graph: Graph, base: Drawing):
        self.graph, self.base = graph, base
        self.nodes: dict[str, Node] = dict(base.by_id)
        self.edges = list(base.edges)
        self.shown = {node.of: node.id for node in base.nodes if node.of}

    def ends(self, key: Id) -> list[str]:
        """The shape of a value; one that is not drawn gets one, with lines from the values that it is made of."""
        if key in self.shown:
            return [self.shown[key]]
        before = self.graph.values[key]
        if isinstance(before, Application) and words.is_chained(self.graph, before) and before.arguments[0] in self.shown:
            return self.ends(before.arguments[0])
        kind, lines, sources = self._as_drawn(key)
        node = self.add(kind, "value", len(self.shown), lines)
        self.nodes[node] = replace(self.nodes[node], of=self._first(key))
        self.shown[key] = node
        self.flow(dict.fromkeys(sources), node)
        return [node]

    def add(self, kind: Kind, name: str, step: int, lines: tuple[str, ...], family: int | None = None) -> str:
        """A shape of the network that a procedure is."""
        key = f"network_{name.replace(' ', '_')}_{step}"
        key = key if key.isascii() and key.replace("_", "").isalnum() else f"network_domain_{step}"
        self.nodes[key] = Node(key, kind, tuple(each for each in lines if each), family)
        return key

    def flow(self, sources: Iterable[str], target: str, backward: bool = False) -> None:
        """An arrow from each source."""
        for source in dict.fromkeys(sources):
            self.edges.append(Edge(source, target, arrow=True, backward=backward))

    def _first(self, key: Id) -> Id:
        """The value that a shape stands for: of a chain its first application."""
        value = self.graph.values[key]
        return words.inner(self.graph, value).id if isinstance(value, Application) and value.output is None else key

    def _as_drawn(self, key: Id) -> tuple[Kind, tuple[str, ...], list[str]]:
        """How a value is drawn that only the procedure reads: a function as its box, anything else written out."""
        value = self.graph.values[key]
        if not isinstance(value, Application) or value.output is not None:
            return "operator", (words.text(self.graph, key),), list(self._roots(key))
        first, function = words.inner(self.graph, value), self.graph.functions[value.function]
        leaves = [each.leaf.type for each in self.graph.functions.values() if words.owner(each) == words.owner(function)]
        sources = [end for each in first.arguments for end in self.ends(each)]
        return "function", (words.applied_name(function, first.method), ", ".join(leaves)), sources

    def _roots(self, key: Id) -> Iterator[str]:
        """The drawn shapes that a value is made of."""
        for each in self.graph.values[key].arguments:
            if each in self.shown:
                yield self.shown[each]
            else:
                yield from self._roots(each)


def with_procedures(graph: Graph, base: Drawing) -> Drawing:
    """A drawing, and what gives latent variables a value, or a start, without being in the energy: an arrow leads there.

    What lies in a fragment that is drawn closed stays there.
    """
    drawn = Beside(graph, base)
    for named in named_procedures(graph).values():
        for key in ("by", "start"):
            for variable, read in reads(graph, named).get(key, {}).items():
                value = origin(graph, read)
                is_seen = {part_of(graph, graph.values[each]) for each in (value, variable)} <= {"", *base.frames}
                before = len(drawn.nodes)
                ends = drawn.ends(value) if is_seen and variable in drawn.shown else []
                if len(drawn.nodes) > before:
                    drawn.flow(ends, drawn.shown[variable])
    return replace(base, nodes=tuple(drawn.nodes.values()), edges=tuple(drawn.edges))
