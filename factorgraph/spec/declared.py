"""What stands under a name of a spec: its values as written and, for given slots, the checked instance."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from factorgraph.errors import Path, SpecError, address
from factorgraph.spec.choices import Mistakes, checked
from factorgraph.spec.constants import Constants
from factorgraph.spec.expressions import Expression
from factorgraph.spec.problems import Entry, issues_of
from factorgraph.spec.scopes import WHOLE, Scope
from factorgraph.spec.slots import substituted, used_indices
from factorgraph.spec.targets import Target, read_weight
from factorgraph.structure import Factor

L = TypeVar("L", bound=BaseModel)

Size = Callable[[str], int]


@dataclass(frozen=True)
class Scales:
    """The dims and indices of a spec: what constants are evaluated over."""

    dims: Mapping[str, Any] = field(default_factory=dict)
    indices: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def _base(self) -> Constants:
        return Constants(self.dims, {}, None, tuple(self.indices))

    def constants(self, slots: Mapping[str, int] | None = None, size: Size | None = None) -> Constants:
        return self._base.at(dict(slots or {}), size)

    def all_slots(self, *indices: str | None) -> Iterator[dict[str, int]]:
        """Every combination of slots of some indices; one empty one if there are none."""
        names = [each for each in indices if each is not None]
        for numbers in product(*(range(self.indices.get(name, 1)) for name in names)):
            yield dict(zip(names, numbers, strict=True))


@dataclass(frozen=True)
class Bound:
    """What an observed variable of a fragment is: an expression of the spec that uses it, and where that stands."""

    expression: Expression
    path: Path
    scope: Scope = WHOLE

    def within(self, scope: Scope) -> Bound:
        return Bound(self.expression, scope.path(self.path), self.scope.within(scope))


@dataclass(frozen=True, eq=False)
class Declared(Generic[L]):
    """An entry: ``values`` in long form, keys as written. ``at`` evaluates its constants at slots of the spec's indices.

    One of a fragment has the fragment's ``scales``, and names as the whole knows them, by its ``scope``.
    """

    path: Path
    values: Mapping[str, Any]
    cls: type[L]
    scales: Scales = field(repr=False)
    per: str | None = None
    scope: Scope = WHOLE
    bound: Bound | None = None

    def at(self, slots: Mapping[str, int] | None = None, size: Size | None = None) -> L:
        """The instance at a slot; ``size`` gives the units of a variable, for constants that ask for it."""
        values = self.values
        if slots and isinstance(values.get("set"), Mapping):
            values = {**values, "set": substituted(values["set"], slots)}
        try:
            made = checked(self.cls, values, {"constants": self.constants(slots, size), "scope": self.scope})
        except Mistakes as mistakes:
            raise SpecError(issues_of(mistakes.found, Entry(self.path, self.values, address(self.path)))) from None
        return made if self.scope is WHOLE else made.model_copy(update=dict(self._of_fragment(made)))

    def _of_fragment(self, made: L) -> Iterator[tuple[str, Any]]:
        """What is otherwise in a fragment: a bound variable is derived, and a procedure sees the fragment's factors."""
        if self.bound is not None:
            yield from (("kind", None), ("is_", self.bound.scope.expression(self.bound.expression)))
        if getattr(made, "only", ()) is None:
            yield "only", (self.scope.name,)

    def constants(self, slots: Mapping[str, int] | None = None, size: Size | None = None) -> Constants:
        """What its constants are evaluated over, at slots as the whole names them."""
        if self.scope is WHOLE:
            return self.scales.constants(slots, size)
        own = {self.scope.local(index): slot for index, slot in (slots or {}).items()}
        held = {index: own[index] for index in self.scales.indices if index in own}
        return self.scales.constants(held, None if size is None else lambda name: size(self.scope.whole(name)))

    def used_indices(self, text: str) -> tuple[str, ...]:
        """The indices that a constant of it uses, as the whole names them."""
        return tuple(map(self.scope.whole, used_indices(text, self.scales.indices)))

    def every_slot(self) -> Iterator[dict[str, int]]:
        """Every slot of its index; one empty one if it has none."""
        local = None if self.per is None else self.scope.local(self.per)
        for slots in self.scales.all_slots(local):
            yield {self.scope.whole(index): slot for index, slot in slots.items()}

    def within(self, scope: Scope) -> Declared[L]:
        """The same entry, as the spec reads it that uses its file as a fragment."""
        per = None if self.per is None else scope.whole(self.per)
        bound = None if self.bound is None else self.bound.within(scope)
        return replace(self, path=scope.path(self.path), per=per, scope=self.scope.within(scope), bound=bound)

    @property
    def definition(self) -> Path:
        """Where the expression stands that a derived variable is."""
        return (*self.path, "is") if self.bound is None else self.bound.path

    @cached_property
    def first(self) -> L:
        """The instance at the first slot of its index; the only one, if it has none."""
        return self.at({self.per: 0} if self.per else {})

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Declared):
            return NotImplemented
        if (self.path, self.cls, self.per) != (other.path, other.cls, other.per):
            return False
        return all(self.at(slots) == other.at(slots) for slots in self.every_slot())

    def __hash__(self) -> int:
        return hash((self.path, self.cls))


@dataclass(frozen=True)
class FactorEntry:
    """A factor with its weight, the only multiplier there is."""

    path: Path
    leaf: Declared[Factor]
    written_weight: Any = 1.0

    def weight(self, slots: Mapping[str, int] | None = None, size: Size | None = None) -> float | Target:
        """The weight at slots of the factor's free indices, or what it is tuned to."""
        return read_weight(self.written_weight, self.leaf.constants(slots, size))

    def within(self, scope: Scope) -> FactorEntry:
        """The same factor, as the spec reads it that uses its file as a fragment."""
        leaf = self.leaf.within(scope)
        return FactorEntry(leaf.path, leaf, self.written_weight)
