"""Entries of the spec at a slot, with their constants evaluated; what is wrong with a constant says at which slot."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from factorgraph.errors import Issue, SpecError
from factorgraph.graph.model import Id
from factorgraph.graph.texts import slot_text, slot_words
from factorgraph.spec.syntax import ExpressionError
from factorgraph.structure import Shape

if TYPE_CHECKING:
    from factorgraph.graph.names import Names
    from factorgraph.spec.declared import FactorEntry
    from factorgraph.spec.targets import Target

Size = Callable[[str], int]


def instance(declared: Any, slots: Mapping[str, int], size: Size | None = None) -> Any:
    """A :class:`~factorgraph.spec.declared.Declared` at slots. Raises :class:`SpecError`."""
    try:
        return declared.at(slots, size)
    except SpecError as error:
        raise SpecError(_at(each, slots) for each in error.issues) from None


def weight(entry: FactorEntry, slots: Mapping[str, int], size: Size) -> float | Target:
    """The weight of a factor at slots, or what it is tuned to. Raises :class:`SpecError`."""
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
            raise ExpressionError("FG318", f"{value_id} does not exist, so it has no size", fix="use dims")
        return math.prod(shape)

    return size


def _at(it: Issue, slots: Mapping[str, int]) -> Issue:
    return replace(it, message=f"{it.message} (at {slot_words(slots)})") if slots else it
