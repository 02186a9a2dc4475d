"""The graph while it is being made: values shared as they come, comparisons noted for the shapes, sizes still open."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from factorgraph.errors import SpecError, issue
from factorgraph.graph.model import Application, Constant, Id, Operation, Value, Variable, Written
from factorgraph.structure import Factor, Function, Shape

MOST_VALUES = 200_000  # a graph of more is a slip in the indices, and would be drawn, planned and run value by value


@dataclass(frozen=True)
class Site:
    """A place where values must have one shape. ``verb``: one *is compared with* the other; they *cannot be added*."""

    members: tuple[Id, ...]
    verb: str
    places: tuple[Written, ...]  # of each member, as it is written here
    slots: Mapping[str, int]


@dataclass(frozen=True)
class Node:
    """A function node whose shapes are not known yet. ``chained``: an activation or a gain, which works unit by unit."""

    id: str
    spelled: str
    leaf: Function
    written: Written
    slots: Mapping[str, int]
    chained: bool = False


@dataclass(frozen=True)
class FactorDraft:
    """A factor at one slot, before its weight and constants, which may ask for sizes, are read."""

    id: str
    name: str
    slots: Mapping[str, int]
    arguments: tuple[Id, ...]
    first: Factor
    written: Written
    matrix: str | None = None  # id of the function whose matrix it reads


@dataclass
class Draft:
    """Values in an order in which arguments come first; ``declared`` are the shapes that the spec states."""

    values: dict[Id, Value] = field(default_factory=dict)
    nodes: dict[str, Node] = field(default_factory=dict)
    sites: list[Site] = field(default_factory=list)
    declared: dict[Id, Shape] = field(default_factory=dict)
    factors: dict[str, FactorDraft] = field(default_factory=dict)
    _known: dict[object, Id] = field(default_factory=dict)

    def add(self, value: Value) -> Id:
        """The id of the value, or of one that is computed in the same way from the same things."""
        key = self._key(value)
        known = self._known.get(key)
        if known is not None:
            return known
        if len(self.values) >= MOST_VALUES:
            fix = "make an index shorter"
            raise SpecError(issue("FG328", f"the graph has more than {MOST_VALUES:,} values", value.written.path, fix=fix))
        assert value.id not in self.values, f"two different values are both called {value.id}"
        self.values[value.id] = value
        self._known[key] = value.id
        return value.id

    def root(self, value_id: Id) -> Id:
        """What a derived variable stands for; a number under a name stays apart, because the name gives it a shape."""
        value = self.values[value_id]
        while isinstance(value, Variable) and value.definition is not None:
            definition = self.values[value.definition]
            if isinstance(definition, Constant):
                break
            value = definition
        return value.id

    def _key(self, value: Value) -> object:
        match value:
            case Variable():
                return value.id
            case Constant():
                return ("constant", value.value)
            case Operation():
                return (value.operator, *map(self.root, value.arguments))
            case Application():
                return (value.function, value.method, value.output, *map(self.root, value.arguments))

    def compare(self, members: Iterable[tuple[Id, Written]], verb: str, slots: Mapping[str, int]) -> None:
        """Note that values must have one shape. Numbers fit any and do not count."""
        sized = [(value_id, place) for value_id, place in members if not isinstance(self.values[value_id], Constant)]
        if len(sized) > 1:
            self.sites.append(Site(tuple(value_id for value_id, _ in sized), verb, tuple(place for _, place in sized), slots))

    def keep(self, wanted: Iterable[Id]) -> None:
        """Drop what nothing wanted is computed from: parts of expressions that turned out to have no slot."""
        alive: set[Id] = set()
        waiting = list(wanted)
        while waiting:
            value_id = waiting.pop()
            if value_id not in alive:
                alive.add(value_id)
                waiting += self.values[value_id].arguments
        self.values = {value_id: value for value_id, value in self.values.items() if value_id in alive}
        self.sites = [site for site in self.sites if alive.issuperset(site.members)]
        used = {value.function for value in self.values.values() if isinstance(value, Application)}
        self.nodes = {value_id: node for value_id, node in self.nodes.items() if value_id in used}
