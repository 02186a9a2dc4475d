"""What two specs mean differently, address by address: comments, order and defaults that are written out do not count.

Entries are compared as they are understood: constants are numbers, expressions are trees, everything has its default. Where the
order does mean something (which procedure is first, which phase comes when), it is a difference of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Literal

from pydantic import BaseModel

from factorgraph.errors import Path, address
from factorgraph.graph.model import Graph
from factorgraph.graph.resolve import resolve
from factorgraph.spec.blocks import LossTerm
from factorgraph.spec.declared import Declared, FactorEntry
from factorgraph.spec.expressions import ParsedText, Read
from factorgraph.spec.origins import origin
from factorgraph.spec.schema import Spec
from factorgraph.spec.targets import Target
from factorgraph.spec.write import flow

BLOCKS = ("variables", "functions", "factors", "inference", "learning", "variants", "budgets", "expect", "figures")
SETS = ("train", "only", "without")  # names whose order means nothing
SIZES = {"variables": ("shape",), "functions": ("units", "maps")}  # what a graph finds out where it is left out
SIGNS = {"added": "+", "removed": "-", "changed": "~"}
WIDEST, LONGEST = 48, 60  # characters of an address and of a value in a line


@dataclass(frozen=True)
class Fact:
    """What stands at an address: ``meaning`` is compared, ``shown`` is what people read."""

    meaning: Any
    shown: str


ABSENT = Fact(None, "–")
Facts = Mapping[Path, Fact]


@dataclass(frozen=True)
class Difference:
    """One address at which two specs differ, what stands there in each, and where that comes from."""

    change: Literal["added", "removed", "changed"]
    path: Path
    before: str
    after: str
    places: tuple[str, str]

    @property
    def address(self) -> str:
        return address(self.path)

    def __str__(self) -> str:
        return self.line(0)

    def line(self, wide: int) -> str:
        """Its sign, its address in so many characters, what was and is there, and where that comes from."""
        both = {"added": self.after, "removed": self.before}.get(self.change, f"{_short(self.before)} -> {_short(self.after)}")
        where = {"added": self.places[1], "removed": self.places[0]}.get(self.change, " -> ".join(dict.fromkeys(self.places)))
        return f"{SIGNS[self.change]} {self.address.ljust(wide)}  {_short(both, 2 * LONGEST)}  # {where}"

    def as_dict(self) -> dict[str, Any]:
        ends = {"before": self.before, "after": self.after, "from": self.places[0], "to": self.places[1]}
        return {"change": self.change, "address": self.address, **ends}


def diff(before: Spec, after: Spec) -> tuple[Difference, ...]:
    """The differences of meaning between two specs, block by block. Raises SpecError where the graph of one is wrong."""
    left, right = _Told(before, resolve(before)), _Told(after, resolve(after))
    found = tuple(_differences(left, right))
    return (*_of_dims(left, right), *found) if found else ()


def text(found: tuple[Difference, ...]) -> str:
    """A line for each difference: its sign, its address, what it was and is, where from."""
    wide = min(max((len(each.address) for each in found), default=0), WIDEST)
    return "\n".join(each.line(wide) for each in found)


def _short(text: str, most: int = LONGEST) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


class _Told:
    """A spec with the facts of its entries."""

    def __init__(self, spec: Spec, graph: Graph):
        self.spec, self.graph = spec, graph

    def entries(self, block: str) -> dict[str, Any]:
        return dict(getattr(self.spec, block))

    def facts(self, block: str, name: str) -> Facts:
        """What an entry says, by address; what differs from slot to slot is one fact with all of them."""
        slots = [dict(self._flat((block, name), each)) for each in self._instances(block, name)]
        keys = dict.fromkeys(key for each in slots for key in each)
        return {key: _joined([each.get(key, ABSENT) for each in slots]) for key in keys}

    def _instances(self, block: str, name: str) -> list[Any]:
        entry = getattr(self.spec, block)[name]
        if isinstance(entry, FactorEntry):
            nodes = [each for each in self.graph.factors.values() if each.name == name]
            return [{**_fields(each.leaf), "weight": each.target or each.weight} for each in nodes]
        return [entry.at(slots) for slots in entry.every_slot()] if isinstance(entry, Declared) else [entry]

    def _flat(self, path: Path, value: Any) -> Iterator[tuple[Path, Fact]]:
        values = _fields(value) if isinstance(value, BaseModel) else value
        if isinstance(values, Mapping) and values:
            for key, each in values.items():
                yield from self._flat((*path, key), sorted(each) if key in SETS and each else each)
        elif isinstance(values, list | tuple) and any(isinstance(each, BaseModel) for each in values):
            for number, each in enumerate(values):
                yield from self._flat((*path, number), each)
        elif values is not None:
            yield path, Fact(self._meaning(values), _shown(values))

    def _meaning(self, value: Any) -> Any:
        """A value without what says nothing: where in a text its parts stand, how a constant among them is called."""
        if isinstance(value, ParsedText):
            return self._meaning(value.root)
        if isinstance(value, Read) and value.slot is None and ".".join(value.name) in self.spec.dims:
            return self.spec.dims[".".join(value.name)]
        if is_dataclass(value) and not isinstance(value, type):
            parts = (getattr(value, each.name) for each in fields(value) if not each.name.endswith("span"))
            return (type(value).__name__, *map(self._meaning, parts))
        return tuple(map(self._meaning, value)) if isinstance(value, list | tuple) else value

    def data(self) -> Facts:
        found: dict[Path, Fact] = {}
        for name, block in self.spec.data.blocks.items() if self.spec.data is not None else ():
            path: Path = ("data", name) if name else ("data",)
            values = _fields(block)
            source = values.pop("source")
            found |= dict(self._flat(path, {"source": source.type, **_fields(source), **values}))
        return found

    def orders(self) -> Facts:
        """What is said by order alone: the phases, the sides of a game, and the first procedure for each variable."""
        firsts: dict[str, str] = {}
        for name, procedure in self.spec.inference.items():
            for each in getattr(procedure.first, "of", ()):
                firsts.setdefault(str(each), name)
        found: dict[Path, Fact] = {("inference", f"first for {key}"): Fact(name, name) for key, name in firsts.items()}
        found[("learning", "order")] = Fact(tuple(self.spec.learning), ", ".join(self.spec.learning))
        for name, phase in self.spec.learning.items():
            players = tuple(phase.first.players)
            found[("learning", name, "players", "order")] = Fact(players, ", ".join(players))
        return found

    def found_out(self, block: str, name: str) -> Any:
        """The shapes that an entry came to."""
        if block == "variables":
            return [each.shape for each in self.graph.variables.values() if each.name == name]
        return [(each.given, each.result) for each in self.graph.functions.values() if each.spelled == name]

    def written(self, block: str, name: str) -> str:
        """An entry as it is written, in one line."""
        entry = getattr(self.spec, block)[name]
        if isinstance(entry, FactorEntry):
            return flow({**entry.leaf.values, **({} if entry.written_weight == 1 else {"weight": entry.written_weight})})
        return flow(entry.values if isinstance(entry, Declared) else self.spec.document.values[block][name])

    def place(self, path: Path) -> str:
        return origin(self.spec.document, path)


def _fields(it: BaseModel) -> dict[str, Any]:
    """The fields of an entry by their keys, a loss's own beside its weight; a single loss without a name."""
    values = {info.alias or key: getattr(it, key) for key, info in type(it).model_fields.items()}
    if isinstance(it, LossTerm):
        return {**_fields(values.pop("loss")), **values}
    losses = values.get("loss")
    if isinstance(losses, Mapping) and [each.loss.type for each in losses.values()] == list(losses):
        values["loss"] = next(iter(losses.values())) if len(losses) == 1 else losses
    return values


def _joined(facts: list[Fact]) -> Fact:
    if all(each.meaning == facts[0].meaning for each in facts):
        return facts[0]
    return Fact(tuple(each.meaning for each in facts), f"by slot: {', '.join(each.shown for each in facts)}")


def _shown(value: Any) -> str:
    if isinstance(value, ParsedText):
        return value.text
    if isinstance(value, Target):
        return flow({value.kind: value.value})
    return flow([_plain(each) for each in value] if isinstance(value, list | tuple) else value)


def _plain(value: Any) -> Any:
    return value.text if isinstance(value, ParsedText) else value


def _differences(left: _Told, right: _Told) -> Iterator[Difference]:
    yield from _of_facts(("seed",), {("seed",): _seed(left)}, {("seed",): _seed(right)}, left, right)
    for block in BLOCKS:
        before, after = left.entries(block), right.entries(block)
        for name in dict.fromkeys((*before, *after)):
            path: Path = (block, name)
            if name not in after:
                yield Difference("removed", path, left.written(block, name), "", (left.place(path), ""))
            elif name not in before:
                yield Difference("added", path, "", right.written(block, name), ("", right.place(path)))
            else:
                yield from _of_entry(block, name, left, right)
        if block == "learning":
            yield from _of_facts(("data",), left.data(), right.data(), left, right)
    yield from _of_orders(left, right)


def _seed(told: _Told) -> Fact:
    return Fact(told.spec.seed, str(told.spec.seed))


def _of_dims(left: _Told, right: _Told) -> Iterator[Difference]:
    """Dims of one name and two values. They mean nothing by themselves: they say why other things differ."""
    for block in ("dims", "indices"):
        before, after = getattr(left.spec, block), getattr(right.spec, block)
        for name in (each for each in before if each in after):
            old, new = (Fact(each, flow(each)) for each in (before[name], after[name]))
            yield from _of_facts((block, name), {(block, name): old}, {(block, name): new}, left, right)


def _of_entry(block: str, name: str, left: _Told, right: _Told) -> Iterator[Difference]:
    before, after = dict(left.facts(block, name)), dict(right.facts(block, name))
    if left.found_out(block, name) == right.found_out(block, name):
        for path in ((block, name, size) for size in SIZES.get(block, ())):
            if (path in before) != (path in after):
                before.pop(path, None)
                after.pop(path, None)
    yield from _of_facts((block, name), before, after, left, right)


def _of_facts(base: Path, before: Facts, after: Facts, left: _Told, right: _Told) -> Iterator[Difference]:
    for path in dict.fromkeys((*before, *after)):
        old, new = before.get(path, ABSENT), after.get(path, ABSENT)
        if old.meaning != new.meaning:
            yield Difference("changed", path, old.shown, new.shown, (left.place(path), right.place(path)))


def _of_orders(left: _Told, right: _Told) -> Iterator[Difference]:
    before, after = left.orders(), right.orders()
    for path in before.keys() & after.keys():
        old, new = before[path], after[path]
        same_members = path[0] == "inference" or set(old.meaning) == set(new.meaning)
        if old.meaning != new.meaning and same_members:
            at: Path = path[:1] if path[0] == "inference" else path[:-1]
            yield Difference("changed", path, old.shown, new.shown, (left.place(at), right.place(at)))
