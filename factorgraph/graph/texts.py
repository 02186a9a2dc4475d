"""Values as text: the canonical ids of the graph, with as few parentheses as tell values apart."""

from __future__ import annotations

from collections.abc import Mapping

from factorgraph.graph.model import Operation, Value
from factorgraph.structure import Shape

_LEVELS = {"+": 1, "-": 1, "*": 2, "negate": 3}
_ATOM = 4
_LARGEST_WHOLE = 1e15  # whole numbers up to here are exact in floating point and read better without ".0"


def number_text(value: float) -> str:
    """The shortest text that reads back as the number: ``2``, ``0.37``."""
    return str(int(value)) if value == int(value) and abs(value) < _LARGEST_WHOLE else repr(float(value))


def slot_text(slots: Mapping[str, int]) -> str:
    """``{"t": 1}`` is ``[1]``; no slots are the empty text."""
    return "[" + ",".join(str(each) for each in slots.values()) + "]" if slots else ""


def slot_words(slots: Mapping[str, int]) -> str:
    """``{"l": 2}`` is ``l = 2``, for messages."""
    return ", ".join(f"{index} = {slot}" for index, slot in slots.items())


def binary_text(operator: str, left: Value, right: Value) -> str:
    """``left operator right``, with parentheses only where Python's precedence asks for them."""
    own = _LEVELS[operator]
    before = left.id if _level(left) >= own else f"({left.id})"
    after = right.id if _level(right) > own else f"({right.id})"
    return f"{before} {operator} {after}"


def negated_text(operand: Value) -> str:
    """``-Z``, ``-(Y * Z)``."""
    return f"-{operand.id}" if _level(operand) >= _LEVELS["negate"] else f"-({operand.id})"


def shape_text(shape: Shape | None) -> str:
    """``[144]``; a number has no axes; ``[?]`` where it isn't known."""
    if shape is None:
        return "[?]"
    return "[" + ", ".join(str(each) for each in shape) + "]" if shape else "a number"


def _level(value: Value) -> int:
    return _LEVELS.get(value.operator, _ATOM) if isinstance(value, Operation) else _ATOM
