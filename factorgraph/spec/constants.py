"""Constants: numbers that a spec computes from its ``dims``, slots and sizes, and the types of fields that hold them.

Whole numbers stay whole: ``(side - 2) / 2`` is a whole number where it divides, and a count that doesn't is refused.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, core_schema

from factorgraph.errors import Issue, Path
from factorgraph.spec.expressions import Binary, Call, Negate, Node, Number, Read, kind_of, parse_constant, text_of
from factorgraph.spec.suggest import near
from factorgraph.spec.syntax import ExpressionError, Span

LARGEST_COUNT = 10**12
LONGEST_CHAIN = 64  # dims that are defined by one another
LARGEST = 1e300  # beyond this, products of two constants are no numbers any more

_OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {"+": operator.add, "-": operator.sub, "*": operator.mul}


@dataclass(frozen=True)
class Constants:
    """What constant expressions can read.

    ``dims`` as written: numbers, expressions over other dims in any order, or lists of them read per slot. ``slots``: the slot
    number of each index that has one here. ``size``: the number of units of a variable, where shapes are known. ``indices``:
    names of all indices, so that one without a slot here is told from an unknown name.
    """

    dims: Mapping[str, Any] = field(default_factory=dict)
    slots: Mapping[str, int] = field(default_factory=dict)
    size: Callable[[str], int] | None = None
    indices: Iterable[str] = ()
    _underway: tuple[Path, ...] = ()  # dims whose values are being computed, to notice a circle
    _known: dict[Path, float | int] = field(default_factory=dict, repr=False, compare=False)  # dims are the same at every slot

    def at(self, slots: Mapping[str, int], size: Callable[[str], int] | None = None) -> Constants:
        """The same dims at other slots."""
        return Constants(self.dims, slots, size or self.size, self.indices, (), self._known)

    def evaluate(self, written: object) -> float | int:
        """A number, or the value of an expression. Raises :class:`ExpressionError`, whose path is the dim's if it is to blame."""
        if isinstance(written, int | float) and not isinstance(written, bool):
            return written
        return self._value(parse_constant(text_of(written, "a number")))

    def check(self) -> list[Issue]:
        """What is wrong with the dims themselves, each at its own address; a circle is told once."""
        found: dict[tuple[Path, str], Issue] = {}
        for name, written in self.dims.items():
            paths: list[Path] = [("dims", name)]
            if isinstance(written, list | tuple):
                paths = [("dims", name, number) for number in range(len(written))]
                if not written:
                    found[(("dims", name), "")] = Issue("FG318", f'the list of dim "{name}" is empty', ("dims", name))
            for path in paths:
                try:
                    self._dim(path)
                except ExpressionError as error:
                    it = error.issue(path)
                    found.setdefault((it.path, it.code), it)
        return list(found.values())

    def _value(self, node: Node) -> float | int:
        if isinstance(node, Number):
            return node.value
        if isinstance(node, Negate):
            return -self._value(node.operand)
        if isinstance(node, Binary):
            return _combine(node, self._value(node.left), self._value(node.right))
        if isinstance(node, Call):
            return self._size(node)
        return self.read(node)

    def read(self, node: Read) -> float | int:
        """The number that a dim, or an index, is here. Raises :class:`ExpressionError`."""
        name = ".".join(node.name)
        if name not in self.dims:
            if name in self.slots and node.slot is None:
                return self.slots[name]
            raise self._unknown(name, node.name_span)
        written = self.dims[name]
        if not isinstance(written, list | tuple):
            if node.slot is not None:
                message = f'dim "{name}" is one number and has no slots'
                raise ExpressionError("FG315", message, node.span, fix=f"write {name}", replacement=name)
            return self._dim(("dims", name))
        if node.slot is None:
            message = f'dim "{name}" is a list of {len(written)}: which of them is meant?'
            raise ExpressionError("FG315", message, node.span, fix=f"write {name}[l] for an index l, or {name}[0]")
        number = self._slot(node, len(written))
        if not 0 <= number < len(written):
            message = f"{name}[{number}] is not there: the list has {len(written)}, counted from 0"
            raise ExpressionError("FG315", message, node.span)
        return self._dim(("dims", name, number))

    def _slot(self, node: Read, length: int) -> int:
        assert node.slot is not None, "asked only of what has a slot"
        index = node.slot.index
        if index is None:
            return node.slot.offset
        if index in self.slots:
            return self.slots[index] + node.slot.offset
        if index == "last":
            return length - 1
        raise self._unknown(index, node.slot.span)

    def _dim(self, path: Path) -> float | int:
        """The value of a dim, or of one item of its list; mistakes in it are its own, not the reader's."""
        if path in self._known:
            return self._known[path]
        if len(self._underway) >= LONGEST_CHAIN:
            raise ExpressionError("FG302", f"dims build on each other over more than {LONGEST_CHAIN} steps", path=path)
        if path in self._underway:
            names = [str(each[1]) for each in (*self._underway[self._underway.index(path) :], path)]
            message = "dims are defined by each other in a circle: " + " -> ".join(names)
            first = min(self._underway[self._underway.index(path) :], key=str)
            raise ExpressionError("FG312", message, path=first, fix="give one of them a number")
        written = self.dims[path[1]]  # type: ignore[index]  # dims are named by words
        if len(path) > 2:
            written = written[path[2]]
        inner = Constants(self.dims, {}, None, (*self.indices, *self.slots), (*self._underway, path), self._known)
        try:
            self._known[path] = inner.evaluate(written)
            return self._known[path]
        except ExpressionError as error:
            if error.path is None:
                error.path = path
            raise

    def _size(self, node: Call) -> int:
        argument = node.arguments[0]
        assert isinstance(argument, Read), "checked when parsing"
        if self.size is None:
            message = "size(...) is not known here: dims, and shapes, come before the sizes of variables"
            raise ExpressionError("FG318", message, node.span, fix="use dims")
        try:
            return self.size(argument.name[0])
        except KeyError:
            message = f'there is no variable "{argument.name[0]}"'
            raise ExpressionError("FG311", message, argument.span) from None

    def _unknown(self, name: str, span: Span) -> ExpressionError:
        if name in self.indices or name in self.slots:
            message = f'the index "{name}" has no slot here'
            fix = "dims are the same at every slot: write the index where the dim is used" if self._underway else ""
            return ExpressionError("FG316", message, span, fix=fix or f"give the entry per: {name}, or write a number")
        known = sorted({*self.dims, *self.slots})
        close = near(name, known)
        guess = f'. Did you mean "{close}"?' if close else ""
        allowed = f"a number, or an expression of {', '.join(known)}" if known else "numbers only: this spec has no dims"
        message = f'there is no dim or index "{name}"{guess}'
        fix = f"write {close}" if close else "write a number, or declare it in dims"
        return ExpressionError("FG311", message, span, allowed, fix, replacement=close)


def _combine(node: Binary, left: float | int, right: float | int) -> float | int:
    try:
        if node.operator != "/":
            result = _OPERATIONS[node.operator](left, right)
        elif isinstance(left, int) and isinstance(right, int) and left % right == 0:
            result = left // right
        else:
            result = left / right
    except ZeroDivisionError:
        raise ExpressionError("FG313", "this divides by zero", node.right.span) from None
    except OverflowError:
        result = math.inf
    if not abs(result) < LARGEST:  # also catches what is no number
        raise ExpressionError("FG313", "the result is too large for a number", node.span)
    return result  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Numeric:
    """The range of a field, as pydantic's metadata: evaluates constant expressions in the validation context."""

    whole: bool
    least: float = -math.inf
    most: float = math.inf
    above: bool = False  # the least itself is excluded
    words: str = ""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(self._validate)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        number: dict[str, Any] = {"type": "integer" if self.whole else "number"}
        if math.isfinite(self.least):
            number["exclusiveMinimum" if self.above else "minimum"] = self.least
        if math.isfinite(self.most):
            number["maximum"] = self.most
        return {"anyOf": [number, {"type": "string", "description": "a constant expression over dims"}]}

    def _validate(self, written: object, info: ValidationInfo) -> float | int:
        try:
            constants = (info.context or {}).get("constants")
            if constants is None and isinstance(written, str):
                message = f'{self.words} is wanted here, not "{written[:40]}"'
                raise ExpressionError("FG317", message, fix="expressions are known only inside a spec; give the number")
            return self.fit((constants or Constants()).evaluate(written), written)
        except ExpressionError as error:
            raise error.for_pydantic() from None

    def fit(self, number: float | int, written: object = None) -> float | int:
        """The number as the field's type. Raises :class:`ExpressionError` if it is outside."""
        shown = f"{written} = {_shown(number)}" if isinstance(written, str) and written != _shown(number) else _shown(number)
        if not abs(number) < LARGEST:  # also catches what is no number
            raise ExpressionError("FG313", f"{shown} is no number that can be worked with", allowed=self.words)
        if self.whole and number != int(number):
            raise ExpressionError("FG314", f"{shown} is no whole number", allowed=self.words)
        too_low = number <= self.least if self.above else number < self.least
        if too_low or number > self.most:
            raise ExpressionError("FG314", f"{shown} is outside what is allowed here", allowed=self.words)
        if self.whole:
            return int(number)
        return float(number)


def _shown(number: float | int) -> str:
    if not abs(number) < LARGEST:
        return kind_of(number)
    return str(number) if isinstance(number, int) else f"{number:.10g}"


_COUNT = Numeric(True, 1, LARGEST_COUNT, words=f"a whole number from 1 to {LARGEST_COUNT}")
_WHOLE = Numeric(True, 0, LARGEST_COUNT, words=f"a whole number from 0 to {LARGEST_COUNT}")

Count = Annotated[int, _COUNT]
Whole = Annotated[int, _WHOLE]
Integer = Annotated[int, Numeric(True, -LARGEST_COUNT, LARGEST_COUNT, words="a whole number")]
Real = Annotated[float, Numeric(False, words="a number")]
Positive = Annotated[float, Numeric(False, 0, above=True, words="a number above 0")]
NonNegative = Annotated[float, Numeric(False, 0, words="a number of at least 0")]
Share = Annotated[float, Numeric(False, 0, 1, words="a share, from 0 to 1")]
Power = Annotated[float, Numeric(False, 1, words="a number of at least 1")]


def as_count(number: float | int, written: object = None) -> int:
    """A count that came from elsewhere than a field, such as a shape's. Raises :class:`ExpressionError`."""
    return int(_COUNT.fit(number, written))
