"""Which shapes a graph is drawn with, and which lines join them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from factorgraph.graph.drawing import words
from factorgraph.graph.drawing.direction import is_across, is_free_of_loops, ranked
from factorgraph.graph.drawing.parts import before, levels, opened, part_of, within
from factorgraph.graph.drawing.picture import Drawing, Edge, Kind, Node
from factorgraph.graph.drawing.sides import Sides
from factorgraph.graph.drawing.text import subscript
from factorgraph.graph.model import Application, Constant, FactorNode, Graph, Id, Operation, Variable

_NAMES = {"+": "plus", "-": "minus", "*": "times"}


def draw(graph: Graph, notes: Sequence[str] = (), open: Sequence[str] = ()) -> Drawing:
    """The factor graph in the lecture's notation. ``notes``: sentences to stand below it, the plan's for instance.

    A fragment is a box with its name; those in ``open`` are drawn with what is in them. Raises :class:`SpecError` FG209 where
    there is no such fragment.
    """
    return _Builder(graph, opened(graph, open)).drawing(tuple(notes))


class _Builder:
    def __init__(self, graph: Graph, opened: frozenset[str]):
        self.graph = graph
        self.opened = opened
        self.sides = Sides(graph)
        self.nodes: dict[str, Node] = {}
        self.edges: dict[tuple[str, str], Edge] = {}
        self.node_of: dict[Id, str] = {}
        self.boxes: dict[str, str] = {}  # of the fragments that are drawn closed
        self.families = self._families()

    def drawing(self, notes: tuple[str, ...]) -> Drawing:
        for key, value in self.sides.values.items():
            match value:
                case Variable():
                    self._variable(value)
                case Application():
                    self._application(value)
                case Operation() if not self._is_folded(key) and value.operator != "join":
                    self._operation(value)
                case Constant() if self._is_drawn(value):
                    self.node_of[key] = self._add("constant", key, (words.number(value.value),), part_of(self.graph, value))
                case _:
                    pass
        for factor in self.graph.factors.values():
            self._factor(factor)
        spec, nodes, edges = self.graph.spec, tuple(self.nodes.values()), tuple(self.edges.values())
        title = getattr(spec, "title", "") or spec.name
        columns = self._columns()
        return Drawing(title, nodes, edges, columns, is_across(self.nodes, tuple(self.edges.values()), columns), notes)

    # --- shapes ----------------------------------------------------------------------------------------------------------------

    def _variable(self, variable: Variable) -> None:
        part = part_of(self.graph, variable)
        lines = (within(words.variable_name(variable), part), *words.below_name(self.graph, variable, part))
        self.node_of[variable.id] = self._add(variable.kind, variable.id, lines, part)
        if variable.definition is not None:
            self._flow(variable.definition, variable.id)

    def _application(self, value: Application) -> None:
        if words.is_chained(self.graph, value):
            box = self.node_of[value.arguments[0]]
            self.node_of[value.id] = box
            old = self.nodes[box]
            if old.kind == "fragment":
                return
            more = self.graph.functions[value.function].leaf.type
            self.nodes[box] = replace(old, lines=(old.lines[0], ", ".join([*old.lines[1:], more])))
            return
        part = part_of(self.graph, value)
        if value.output is not None:
            self.node_of[value.id] = self._add("operator", value.id, (f".{value.output}",), part)
            self._flow(value.arguments[0], value.id)
            return
        function = self.graph.functions[value.function]
        name, kind = within(words.applied_name(function, value.method), part), function.leaf.type
        lines = (name,) if kind == name else (name, kind)
        self.node_of[value.id] = self._add("function", value.id, lines, part, self.families.get(words.owner(function)))
        for key in value.arguments:
            self._flow(key, value.id)

    def _operation(self, value: Operation) -> None:
        """A commutative operation is its sign; a difference is written out, for its order matters."""
        part = part_of(self.graph, value)
        numbers = [each.value for each in map(self.graph.values.__getitem__, value.arguments) if isinstance(each, Constant)]
        match value.operator:
            case "-":
                sign = words.text(self.graph, value.id, part=part)
            case "+" | "*":
                sign = " ".join([*map(words.number, numbers), "·" if value.operator == "*" else "+"])
            case "negate":
                sign = "−"
            case _:
                sign = "Σ" if value.operator == "sum" else "mean"
        self.node_of[value.id] = self._add("operator", value.id, (sign,), part)
        for key in value.arguments:
            self._flow(key, value.id)

    def _factor(self, factor: FactorNode) -> None:
        part = part_of(self.graph, factor)
        name = within(subscript(factor.name, *factor.slots.values()), part)
        node = self._add("factor", f"factor {factor.id}", (words.formula(self.graph, factor, part), name), part)
        for key in factor.arguments:
            for end in self._ends(key):
                backward = not self.sides.is_before(factor, end)
                self._join(Edge(self.node_of[end], node, arrow=False, backward=backward))
        for key, value in self.graph.values.items() if factor.matrix is not None else ():
            if getattr(value, "function", None) == factor.matrix and key in self.node_of:
                self._join(Edge(self.node_of[key], node, arrow=False))

    def _add(self, kind: Kind, key: Id, lines: tuple[str, ...], part: str, family: int | None = None) -> str:
        """A shape; in a fragment that is drawn closed, the fragment's."""
        closed = self._closed(part)
        if closed:
            kind, key, lines, part, family = "fragment", closed, self._contents(closed), before(closed), None
            if (box := self.boxes.get(closed)) is not None:
                return box
        name = self._free(kind, key)
        self.nodes[name] = Node(name, kind, lines, family, key, part)
        if closed:
            self.boxes[closed] = name
        return name

    def _contents(self, part: str) -> tuple[str, ...]:
        """The name of a fragment that is drawn closed, and below it what it infers, and how many terms of the energy it holds."""
        inside = f"{part}."
        latent, factors = self.graph.of_kind("latent"), self.graph.factors.values()
        inferred = [within(words.variable_name(each), part) for each in latent if each.name.startswith(inside)]
        terms = [each for each in factors if each.name.startswith(inside)]
        marks = [f"○ {', '.join(inferred)}"] if inferred else []
        marks += [f"■ {len(terms)} term{'s' if len(terms) > 1 else ''}"] if terms else []
        return within(part, before(part)), *marks

    def _closed(self, part: str) -> str:
        """The outermost fragment around something that is drawn closed; empty where there is none."""
        return next((each for each in levels(part) if each not in self.opened), "")

    def _free(self, kind: Kind, key: Id) -> str:
        """A name that no other shape has."""
        spelled = "".join(_NAMES.get(sign, sign) for sign in key) if kind == "operator" else key
        stem = re.sub(r"\W+", "_", f"{kind}_{spelled.removeprefix('factor ')}", flags=re.ASCII).strip("_")[:60]
        name, count = stem, 1
        while name in self.nodes:
            count += 1
            name = f"{stem}_{count}"
        return name

    # --- lines -----------------------------------------------------------------------------------------------------------------

    def _flow(self, source: Id, target: Id) -> None:
        backward = self.sides.is_backward(target)
        for end in self._ends(source):
            self._join(Edge(self.node_of[end], self.node_of[target], arrow=True, backward=backward))

    def _join(self, edge: Edge) -> None:
        """Add a line. A fragment's box has no inside, and no side that is nearer to the data."""
        if "fragment" in (self.nodes[edge.tail].kind, self.nodes[edge.head].kind):
            ends = {(edge.tail, edge.head), (edge.head, edge.tail)}
            if edge.tail == edge.head or (not edge.arrow and ends & self.edges.keys()):
                return
            edge = replace(edge, backward=False)
        self.edges.setdefault((edge.tail, edge.head), edge)

    def _ends(self, key: Id) -> list[Id]:
        """The drawn values that a value stands for: itself, or what a folded expression reads."""
        if key in self.node_of:
            return [key]
        return [end for each in self.graph.values[key].arguments for end in self._ends(each)]

    def _is_folded(self, key: Id) -> bool:
        """An expression that only one factor reads is written inside its formula, and needs no sign of its own."""
        users = self.sides.consumers[key]
        if len(users) != 1:
            return False
        match users[0]:
            case FactorNode():
                return True
            case Operation(operator=operator, id=user):
                return operator != "join" and self._is_folded(user)
            case _:
                return False

    def _is_drawn(self, constant: Constant) -> bool:
        """A number that stands in no formula and beside no sign."""
        signs = ("+", "-", "*", "negate")
        others = [each for each in self.sides.consumers[constant.id] if not isinstance(each, FactorNode)]
        return any(not isinstance(each, Operation) or each.operator not in signs for each in others)

    # --- what belongs together -------------------------------------------------------------------------------------------------

    def _families(self) -> dict[str, int]:
        """Functions with parameters that are drawn more than once, numbered."""
        boxes: Counter[str] = Counter()
        learning: set[str] = set()
        for value in self.sides.values.values():
            if isinstance(value, Application):
                function = self.graph.functions[value.function]
                shown = value.output is None and not words.is_chained(self.graph, value)
                boxes[words.owner(function)] += shown and not self._closed(part_of(self.graph, value))
                learning |= {words.owner(function)} if function.parameters else set()
        return {name: n for n, name in enumerate(name for name, count in boxes.items() if count > 1 and name in learning)}

    def _columns(self) -> tuple[tuple[str, ...], ...]:
        """Variables of one level, and one frame, under each other, unless something forces one behind the other."""
        by_level: dict[tuple[int, str], list[str]] = {}
        for key, level in self.sides.level.items():
            node = self.nodes[self.node_of[key]]
            if node.kind != "fragment":
                by_level.setdefault((level, node.part), []).append(node.id)
        edges = [ranked(each) for each in self.edges.values()]
        kept: list[tuple[str, ...]] = []
        for _, group in sorted(by_level.items()):
            if len(group) > 1 and is_free_of_loops(edges, [*kept, tuple(group)]):
                kept.append(tuple(group))
        return tuple(kept)
