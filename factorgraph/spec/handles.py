"""Names of a spec that is written in Python, and expressions over them: nothing but text, which the one parser reads.

``decoder(Z)``, ``Z[t] - Z[t - 1]``, ``0.5 * A`` and ``pool(H).what`` make here what they are in the language, with brackets where
its precedence asks for them.
"""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any, ClassVar, Self, TypeAlias

SUM, PRODUCT, SIGN, ATOM = 1, 2, 3, 4  # how strongly the outermost operator of a text binds


class Handle:
    """The name of something in a spec. Its text is what YAML would say."""

    __iter__: ClassVar[None] = None  # else Python would try [0], [1], ... for ever
    __contains__: ClassVar[None] = None
    __array_ufunc__: ClassVar[None] = None  # numbers of numpy leave operators to us

    def __init__(self, text: str, binds: int = ATOM):
        self._text, self._binds = text, binds

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"<{self._text}>"

    def __getitem__(self, slot: Handle | int | str) -> Self:
        """The copy at a slot: ``Z[t]``, ``Z[t - 1]``, ``Z[2]``, ``Z["last"]``."""
        return type(self)(f"{_inside(self, ATOM)}[{str(slot).replace(' ', '')}]")


class Value(Handle):
    """A value: a variable, a dim, an index, or an expression over them. Attributes are parts of a result: ``pool(H).what``."""

    def __getattr__(self, part: str) -> Value:
        if part.startswith("_"):
            raise AttributeError(part)
        return Value(f"{_inside(self, ATOM)}.{part}")

    def __add__(self, other: Operand) -> Value:
        return _joined(self, "+", other, SUM)

    def __radd__(self, other: Operand) -> Value:
        return _joined(other, "+", self, SUM)

    def __sub__(self, other: Operand) -> Value:
        return _joined(self, "-", other, SUM)

    def __rsub__(self, other: Operand) -> Value:
        return _joined(other, "-", self, SUM)

    def __mul__(self, other: Operand) -> Value:
        return _joined(self, "*", other, PRODUCT)

    def __rmul__(self, other: Operand) -> Value:
        return _joined(other, "*", self, PRODUCT)

    def __truediv__(self, other: Operand) -> Value:
        """Of constants and of claims; values are not divided."""
        return _joined(self, "/", other, PRODUCT)

    def __rtruediv__(self, other: Operand) -> Value:
        return _joined(other, "/", self, PRODUCT)

    def __neg__(self) -> Value:
        return Value(f"-{_inside(self, ATOM)}", SIGN)


class FunctionName(Handle):
    """A function of a spec: called with values, it gives a value. What shares its parameters hangs on it."""

    def __call__(self, *arguments: Argument) -> Value:
        return call(str(self), *arguments)

    @property
    def transpose(self) -> FunctionName:
        """The adjoint of an affine function, without its bias: ``decoder.transpose(Y)``."""
        return FunctionName(f"{self}.transpose")

    @property
    def unpool(self) -> FunctionName:
        """What undoes a pool that keeps what and where: ``pool.unpool(what, where)``."""
        return FunctionName(f"{self}.unpool")


class FactorName(Handle):
    """A factor of a spec, for ``only``, ``without`` and claims."""


class PhaseName(Handle):
    """A phase of learning, for claims."""


class ProcedureName(Handle):
    """A procedure of a spec. Its freed matrices hang on it: ``lista.filter``."""

    def __getattr__(self, matrix: str) -> Handle:
        if matrix.startswith("_"):
            raise AttributeError(matrix)
        return Handle(f"{self}.{matrix}")


class FragmentPart(FunctionName, Value):
    """Something inside a fragment, of which only the fragment knows whether it is a value, a function or a fragment."""

    def __getattr__(self, name: str) -> FragmentPart:
        if name.startswith("_"):
            raise AttributeError(name)
        return FragmentPart(f"{self}.{name}")


class FragmentName(Handle):
    """A fragment of a spec; its names hang on it: ``first.decoder(Z)``."""

    def __getattr__(self, name: str) -> FragmentPart:
        if name.startswith("_"):
            raise AttributeError(name)
        return FragmentPart(f"{self}.{name}")


Operand: TypeAlias = Value | float
Argument: TypeAlias = Handle | float | str
Number: TypeAlias = Value | float | str  # a number, or an expression over dims
Expressed: TypeAlias = Value | float | str  # an expression over variables
Name: TypeAlias = Handle | str
Names: TypeAlias = Handle | str | Sequence[Handle | str]
Size: TypeAlias = Number | Sequence[Number]


def call(name: str, *arguments: Argument) -> Value:
    """A call of what needs no declaration: ``call("relu", H)``, ``call("sum", A, t)``, and a metric: ``call("energy", fast)``."""
    return Value(f"{name}({', '.join(_inside(each, 0) for each in arguments)})")


def plain_number(value: Any) -> Any:
    """Numbers of any library as Python's own; everything else as it is."""
    if isinstance(value, bool):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    return float(value) if isinstance(value, numbers.Real) else value


def _joined(left: Operand, operator: str, right: Operand, binds: int) -> Value:
    return Value(f"{_inside(left, binds)} {operator} {_inside(right, binds + 1, sign=False)}", binds)


def _inside(operand: Argument, least: int, *, sign: bool = True) -> str:
    """An operand's text, in brackets if it binds less than it must there, or begins with a sign where none may stand."""
    if isinstance(operand, Handle):
        text, binds = operand._text, operand._binds
    elif isinstance(operand, str):
        text, binds = operand, 0
    else:
        text = repr(plain_number(operand))
        binds = SIGN if text.startswith("-") else ATOM
    return f"({text})" if binds < least or (binds == SIGN and not sign) else text
