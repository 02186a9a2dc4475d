"""What stands under a name of a spec: its values as written and, for given slots, the checked instance."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from factorgraph.errors import Path, SpecError, address
from factorgraph.spec.choices import Mistakes, checked
from factorgraph.spec.constants import Constants
from factorgraph.spec.problems import Entry, issues_of
from factorgraph.spec.slots import substituted
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


@dataclass(frozen=True, eq=False)
class Declared(Generic[L]):
    """An entry: ``values`` in long form, keys as written. ``at`` evaluates its constants at slots of the spec's indices."""

    path: Path
    values: Mapping[str, Any]
    cls: type[L]
    scales: Scales = field(repr=False)
    per: str | None = None

    def at(self, slots: Mapping[str, int] | None = None, size: Size | None = None) -> L:
        """The instance at a slot; ``size`` gives the units of a variable, for constants that ask for it."""
        values = self.values
        if slots and isinstance(values.get("set"), Mapping):
            values = {**values, "set": substituted(values["set"], slots)}
        try:
            return checked(self.cls, values, {"constants": self.scales.constants(slots, size)})
        except Mistakes as mistakes:
            raise SpecError(issues_of(mistakes.found, Entry(self.path, self.values, address(self.path)))) from None

    @cached_property
    def first(self) -> L:
        """The instance at the first slot of its index; the only one, if it has none."""
        return self.at({self.per: 0} if self.per else {})

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Declared):
            return NotImplemented
        if (self.path, self.cls, self.per) != (other.path, other.cls, other.per):
            return False
        return all(self.at(slots) == other.at(slots) for slots in self.scales.all_slots(self.per))

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
        return read_weight(self.written_weight, self.leaf.scales.constants(slots, size))
