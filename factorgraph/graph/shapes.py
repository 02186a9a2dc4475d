"""Sizes: what is declared flows forward through functions, what is compared lends its size to what has none, to a fixed point."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from factorgraph.graph.draft import Draft, Node, Site
from factorgraph.graph.model import Application, Constant, Id, Operation, Value, Variable
from factorgraph.graph.names import learns
from factorgraph.structure import Shape, ShapeError


@dataclass
class Shapes:
    """The shapes of a draft's values. A lent shape gives way to one that follows from a value's own arguments."""

    draft: Draft
    of: dict[Id, Shape] = field(default_factory=dict)
    lent_by: dict[Id, Id] = field(default_factory=dict)  # where the shape of what had none was taken from
    refused: dict[Id, ShapeError] = field(default_factory=dict)  # what a function says of a shape that it cannot take

    def __post_init__(self) -> None:
        self._sites: dict[Id, list[Site]] = defaultdict(list)
        for site in self.draft.sites:
            for member in site.members:
                self._sites[member].append(site)
        self._applications: dict[str, list[Application]] = defaultdict(list)
        for value in self.draft.values.values():
            if isinstance(value, Application) and value.output is None:
                self._applications[value.function].append(value)

    def solve(self) -> None:
        """Find every shape that can be found."""
        for value_id, shape in self.draft.declared.items():
            if value_id in self.draft.values:
                self.of[value_id] = shape
        self._forward()
        while self._lend() or self._lend_within_functions() or self._lend_usual() or self._lend_between_slots():
            self._forward()

    def given(self, node: Node) -> Shape | None:
        """The shape that a function reads: that of its first application."""
        for value in self._applications[node.id]:
            end = value.arguments[0] if value.method == "forward" else value.id
            if value.method in ("forward", "transpose") and end in self.of:
                return self.of[end]
        return None

    def result(self, node: Node) -> Shape | None:
        """The shape that a function makes."""
        for value in self._applications[node.id]:
            end = value.id if value.method == "forward" else value.arguments[0]
            if value.method in ("forward", "transpose") and end in self.of:
                return self.of[end]
        return None

    def applications(self, node: Node) -> list[Application]:
        return self._applications[node.id]

    # --- forward ---------------------------------------------------------------------------------------------------------------

    def _forward(self) -> None:
        """Everything that follows from arguments, in one pass: they come first."""
        for value_id, value in self.draft.values.items():
            is_firm = value_id in self.of and value_id not in self.lent_by
            if is_firm or value_id in self.refused or value_id in self.draft.declared:
                continue
            shape = self._follows(value)
            if shape is not None:
                self.of[value_id] = shape
                if isinstance(value, Application) and shape != self.of.get(self.lent_by.get(value_id, value_id)):
                    self.lent_by.pop(value_id, None)

    def _follows(self, value: Value) -> Shape | None:
        match value:
            case Constant():
                return ()
            case Variable():
                definition = value.definition
                return None if definition is None or self._is_number(definition) else self.of.get(definition)
            case Operation():
                return self._operation(value)
            case Application():
                return self._application(value)

    def _is_number(self, value_id: Id) -> bool:
        return isinstance(self.draft.values[value_id], Constant)

    def _operation(self, value: Operation) -> Shape | None:
        sized = [each for each in value.arguments if not self._is_number(each)]
        if value.operator != "join":
            return max((self.of[each] for each in sized if each in self.of), key=len, default=None)
        shapes = [self.of[each] for each in value.arguments if each in self.of]
        if len(shapes) < len(value.arguments):
            return None
        try:
            return joined(shapes)
        except ShapeError as error:
            self.refused[value.id] = error
            return None

    def _application(self, value: Application) -> Shape | None:
        node = self.draft.nodes[value.function]
        given = [self.of.get(each) for each in value.arguments]
        leaf, wanted, first = node.leaf, self.of.get(value.id), given[0]
        try:
            if value.output is not None:
                return None if first is None else leaf.part_shape(value.output, first)
            if value.method == "transpose":
                return self.given(node) if first is None else leaf.transpose_shape(first, self.given(node))
            if value.method != "forward" or not leaf.joins:
                return leaf.method_shape(value.method, tuple(given))
            return None if first is None else leaf.output_shape(first, wanted)
        except ShapeError as error:
            self.refused[value.id] = error
            return None

    # --- lending ---------------------------------------------------------------------------------------------------------------

    def _take(self, value_id: Id, shape: Shape, lender: Id) -> bool:
        """Give a value without a shape that of another; ``True`` if it had none."""
        if value_id in self.of or value_id in self.refused or self._is_number(value_id):
            return False
        self.of[value_id] = shape
        self.lent_by[value_id] = lender
        return True

    def _take_all(self, ids: Iterable[Id], lender: Id) -> bool:
        taken = [self._take(each, self.of[lender], lender) for each in ids]
        return any(taken)

    def _lend(self) -> bool:
        """One pass against the arrows: from values to what they are compared with, and to what they are made of."""
        changed = False
        for value_id in reversed(self.draft.values):
            for site in self._sites[value_id]:
                changed |= self._lend_at(site)
            if value_id in self.of:
                for argument, shape in self._implied(self.draft.values[value_id], self.of[value_id]):
                    changed |= self._take(argument, shape, value_id)
        return changed

    def _lend_at(self, site: Site) -> bool:
        lender = next((each for each in site.members if each in self.of), None)
        if lender is None:
            return False
        return self._take_all(site.members, lender)

    def _implied(self, value: Value, shape: Shape) -> Iterator[tuple[Id, Shape]]:
        """Arguments whose shape follows from that of the result."""
        match value:
            case Variable():
                if value.definition is not None:
                    yield value.definition, shape
            case Operation():
                if value.operator != "join":
                    yield from ((each, shape) for each in value.arguments)
                else:
                    yield from self._rest_of_join(value, shape)
            case Application():
                node = self.draft.nodes[value.function]
                if value.method == "forward" and value.output is None and (node.leaf.joins or len(value.arguments) == 1):
                    implied = shape if node.chained else node.leaf.input_shape(shape)
                    if implied is not None:
                        yield value.arguments[0], implied

    def _rest_of_join(self, value: Operation, shape: Shape) -> Iterator[tuple[Id, Shape]]:
        """The one value of a join that has no shape is as long as the others leave."""
        known = [self.of[each] for each in value.arguments if each in self.of]
        missing = [each for each in value.arguments if each not in self.of]
        rest = shape[0] - sum(each[0] for each in known) if shape and all(known) else 0
        if len(missing) == 1 and rest > 0:
            yield missing[0], (rest, *shape[1:])

    def _lend_within_functions(self) -> bool:
        """A function with parameters has one input and one output shape: applications lend them to each other."""
        changed = False
        for node in self.draft.nodes.values():
            if not learns(type(node.leaf)):
                continue
            inputs = [each.arguments[0] if each.method == "forward" else each.id for each in self._one_argument(node)]
            results = [each.id if each.method == "forward" else each.arguments[0] for each in self._one_argument(node)]
            for ends in (inputs, results):
                lender = next((each for each in ends if each in self.of), None)
                if lender is not None:
                    changed |= self._take_all(ends, lender)
        return changed

    def _one_argument(self, node: Node) -> list[Application]:
        both_ways = (each for each in self._applications[node.id] if each.method in ("forward", "transpose"))
        return [each for each in both_ways if len(each.arguments) == 1]

    def _lend_usual(self) -> bool:
        """A factor may know what its arguments are where nothing else does: a value that is an energy has one unit."""
        taken = False
        for name, factor in self.draft.factors.items():
            usual = factor.first.usual
            if usual is not None:
                lent = [self._take(each, usual, name) for each in factor.arguments]
                taken |= any(lent)
        return taken

    def _lend_between_slots(self) -> bool:
        """A number that begins a recursion has the shape of the next slot; failing that, it stays a number."""
        slots: dict[str, list[Variable]] = defaultdict(list)
        for value in self.draft.values.values():
            if isinstance(value, Variable) and value.definition is not None:
                slots[value.name].append(value)
        for variables in slots.values():
            lender = next((each.id for each in variables if each.id in self.of), None)
            for each in variables:
                if each.definition is not None and self._is_number(each.definition) and each.id not in self.of:
                    if lender is not None:
                        return self._take(each.id, self.of[lender], lender)
                    self.of[each.id] = ()
                    return True
        return False


def joined(shapes: list[Shape]) -> Shape:
    """The shape of arguments joined along the first axis."""
    if any(not shape for shape in shapes):
        raise ShapeError("joins a number, which has no first axis")
    if any(shape[1:] != shapes[0][1:] for shape in shapes):
        listed = " with ".join(str(list(shape)) for shape in shapes)
        raise ShapeError(f"joins {listed}: all but the first axis must be equal")
    return (sum(shape[0] for shape in shapes), *shapes[0][1:])
