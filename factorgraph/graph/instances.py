"""Entries of the spec at a slot, with their constants evaluated; what is wrong with a constant there becomes an issue."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from factorgraph.errors import Issue, SpecError
from factorgraph.graph.model import Id
from factorgraph.graph.texts import slot_text, slot_words
from factorgraph.spec.choices import Mistakes
from factorgraph.spec.problems import Entry, issues_of
from factorgraph.spec.syntax import ExpressionError
from factorgraph.structure import Shape

if TYPE_CHECKING:
    from factorgraph.graph.names import Names
    from factorgraph.spec.declared import FactorEntry

Size = Callable[[str], int]

_KINDS = {"variables": "variable", "functions": "function", "factors": "factor", "inference": "procedure", "learning": "phase"}


def instance(declared: Any, slots: Mapping[str, int], size: Size) -> Any:
    """A :class:`~factorgraph.spec.declared.Declared` at slots. Raises :class:`SpecError`."""
    block, name = declared.path[0], declared.path[-1]
    try:
        return declared.at(slots, size)
    except Mistakes as mistakes:
        entry = Entry(declared.path, declared.values, f'{_KINDS.get(block, block)} "{name}"')
        raise SpecError(_at(each, slots) for each in issues_of(mistakes.found, entry)) from None


def weight(entry: FactorEntry, slots: Mapping[str, int], size: Size) -> float:
    """The weight of a factor at slots. Raises :class:`SpecError`."""
    try:
        return entry.weight(slots, size)
    except ExpressionError as error:
        raise SpecError(_at(error.issue((*entry.path, "weight")), slots)) from None


def size_at(names: Names, slots: Mapping[str, int], shape_of: Callable[[Id], Shape | None]) -> Size:
    """``size(X)`` at slots. Raises :class:`KeyError` for what is no variable, as constants expect it."""

    def size(name: str) -> int:
        own = names.free_of[name]
        value_id = name + slot_text({index: slots[index] for index in names.order(own) if index in slots})
        shape = shape_of(value_id)
        if shape is None:
            fix = f"declare it: variables.{name}.shape; or use dims"
            raise ExpressionError("FG330", f"the size of {value_id} is not known where this is read", fix=fix)
        return math.prod(shape)

    return size


def _at(it: Issue, slots: Mapping[str, int]) -> Issue:
    if not slots:
        return it
    return Issue(**{**vars(it), "message": f"{it.message} (at {slot_words(slots)})"})
