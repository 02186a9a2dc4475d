"""Expressions of the spec language: parsed by :mod:`ast` in eval mode, restricted to our grammar, never evaluated by Python.

The tree is small and frozen; every node knows the characters that it was written with, so that errors point inside the text.
"""

from __future__ import annotations

import ast
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, ClassVar, Generic, Literal, Self, TypeVar

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, core_schema

from factorgraph.spec.syntax import ALLOWED, ExpressionError, Language, python_tree, refuse, span_of

PARSED = 4096  # texts whose tree is kept: a spec that tries out its changes reads each of its expressions many times
LARGEST_SHOWN = 1e300  # whole numbers of any length can come from Python; beyond this they are not printed
_SYMBOLS: dict[type[ast.operator], Literal["+", "-", "*", "/"]] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}

Span = tuple[int, int]  # characters of the expression's own text, the end exclusive


@dataclass(frozen=True)
class Slot:
    """``[t-1]`` is (index "t", offset -1); ``[2]`` is (None, 2); ``[last]`` is ("last", 0)."""

    index: str | None
    offset: int
    span: Span


@dataclass(frozen=True)
class Number:
    value: float
    span: Span


@dataclass(frozen=True)
class Read:
    """``Y``, ``Z[t-1]``, ``P[t].where``, ``first.predicted``. ``name`` keeps its dots; what follows a slot is ``output``.

    Without a slot the last part of a dotted name may be an output: whoever knows the names decides.
    """

    name: tuple[str, ...]
    slot: Slot | None
    output: str | None
    span: Span
    name_span: Span


@dataclass(frozen=True)
class Call:
    """``decoder(Z)``, ``pool.unpool(what, where)``, ``pool(H).what``, ``sum(A, t)``."""

    name: tuple[str, ...]
    arguments: tuple[Node, ...]
    output: str | None
    span: Span
    name_span: Span


@dataclass(frozen=True)
class Binary:
    operator: Literal["+", "-", "*", "/"]
    left: Node
    right: Node
    span: Span


@dataclass(frozen=True)
class Negate:
    operand: Node
    span: Span


Node = Number | Read | Call | Binary | Negate
Tree = TypeVar("Tree")


def remembered(parse: Callable[[str], Tree]) -> Callable[[str], Tree]:
    """The same parser, which knows the trees of texts that it has read."""
    return lru_cache(PARSED)(parse)


@dataclass(frozen=True)
class ParsedText(ABC, Generic[Tree]):
    """A small text of a spec, as written, with its tree. A field of such a type takes a text or a number."""

    text: str
    root: Tree

    wanted: ClassVar[str]  # what is wanted here, in words

    @staticmethod
    @abstractmethod
    def parse(text: str) -> Any:
        """The tree of a text. Raises :class:`ExpressionError`."""

    @classmethod
    def of(cls, written: object) -> Self:
        """From what a spec holds. Raises :class:`ExpressionError`."""
        if isinstance(written, cls):
            return written
        text = text_of(written, cls.wanted)
        return cls(text, cls.parse(text))

    def __str__(self) -> str:
        return self.text

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def validate(written: object, info: ValidationInfo) -> Any:
            try:
                found = cls.of(written)
            except ExpressionError as error:
                raise error.for_pydantic() from None
            scope = (info.context or {}).get("scope")
            return found if scope is None else scope.expression(found)

        as_text = core_schema.plain_serializer_function_ser_schema(str)
        return core_schema.with_info_plain_validator_function(validate, serialization=as_text)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [{"type": "string"}, {"type": "number"}], "description": cls.wanted}


@remembered
def parse_value(text: str) -> Node:
    """The tree of a value: ``decoder(Z)``, ``Z[t] - Z[t-1]``. Raises :class:`ExpressionError`."""
    return Reader("value", text).node(python_tree(text, "value"))


@remembered
def parse_constant(text: str) -> Node:
    """The tree of a constant: ``1.25 / (T - 1)``, ``width[l]``, ``size(X)``. Raises :class:`ExpressionError`."""
    root = Reader("constant", text).node(python_tree(text, "constant"))
    for node in walk(root):
        _check_constant(node)
    return root


class Expression(ParsedText[Node]):
    """A value expression."""

    wanted = "an expression"

    @staticmethod
    def parse(text: str) -> Node:
        return parse_value(text)


def walk(root: Node) -> Iterator[Node]:
    """The node and all below it, in the order of writing."""
    yield root
    if isinstance(root, Binary):
        yield from walk(root.left)
        yield from walk(root.right)
    elif isinstance(root, Negate):
        yield from walk(root.operand)
    elif isinstance(root, Call):
        for argument in root.arguments:
            yield from walk(argument)


def text_of(written: object, wanted: str) -> str:
    if isinstance(written, str):
        return written
    if isinstance(written, int | float) and not isinstance(written, bool) and abs(written) < LARGEST_SHOWN:
        return repr(written)
    raise ExpressionError("FG317", f"{wanted} is wanted here, not {kind_of(written)}", fix="write a text or a number")


def kind_of(written: object) -> str:
    """What a value of YAML is, in words of users."""
    if isinstance(written, bool):
        return f'"{str(written).lower()}"'
    if isinstance(written, int | float):
        if not math.isfinite(written if isinstance(written, float) else 0):
            return "a number that is not finite"
        return f"the number {written:g}" if abs(written) < LARGEST_SHOWN else "a number too large to work with"
    if written is None:
        return "nothing"
    for kind, words in ((list | tuple, "a list"), (dict, "a map"), (str, "a text")):
        if isinstance(written, kind):
            return words
    return f"a {type(written).__name__}"


def _check_constant(node: Node) -> None:
    """What a value may hold and a constant may not."""
    allowed = ALLOWED["constant"]
    if isinstance(node, Call):
        if node.name != ("size",):
            raise ExpressionError("FG305", "the only function in a constant is size(VARIABLE)", node.span, allowed)
        argument = node.arguments[0] if len(node.arguments) == 1 else None
        if not isinstance(argument, Read) or argument.slot or len(argument.name) > 1:
            raise ExpressionError("FG305", "size takes the name of one variable", node.span, fix="write size(X)")
    if isinstance(node, Call | Read) and node.output:
        raise ExpressionError("FG305", "a constant has no outputs", node.span, allowed)
    if isinstance(node, Read) and len(node.name) > 1:
        raise ExpressionError("FG305", "dims have no dots in their names", node.name_span, allowed)


class Reader:
    """Turns Python's tree into ours, or says what does not belong."""

    def __init__(self, language: Language, text: str, operators: str = ""):
        self.language: Language = language
        self.text = text
        self.operators = operators or ("+-*" if language == "value" else "+-*/")

    def node(self, tree: ast.AST) -> Node:
        """A value or a constant."""
        if isinstance(tree, ast.BinOp):
            return Binary(self.operator(tree), self.node(tree.left), self.node(tree.right), span_of(tree))
        if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.USub):
            return Negate(self.node(tree.operand), span_of(tree))
        if isinstance(tree, ast.Constant):
            return self.number(tree)
        if isinstance(tree, ast.Call):
            return self.call(tree, None)
        if isinstance(tree, ast.Subscript):
            return self.read(tree, None)
        if isinstance(tree, ast.Attribute):
            if isinstance(tree.value, ast.Call):
                call = self.call(tree.value, tree.attr)
                return replace(call, span=span_of(tree))
            if isinstance(tree.value, ast.Subscript):
                return replace(self.read(tree.value, tree.attr), span=span_of(tree))
        if isinstance(tree, ast.Name | ast.Attribute):
            name = self.path(tree)
            return Read(name, None, None, span_of(tree), span_of(tree))
        raise self.stranger(tree)

    def operator(self, tree: ast.BinOp) -> Literal["+", "-", "*", "/"]:
        symbol = _SYMBOLS.get(type(tree.op))
        if symbol is None or symbol not in self.operators:
            gap = self.text.find("/", span_of(tree.left)[1])
            message = "values are not divided; only constants and claims are"
            fix = "multiply by a number: 0.5 * Z instead of Z / 2"
            raise ExpressionError("FG306", message, (gap, gap + 1), ALLOWED[self.language], fix)
        return symbol

    def number(self, tree: ast.Constant) -> Number:
        if isinstance(tree.value, bool) or not isinstance(tree.value, int | float):
            raise refuse(tree, "this is no number", self.language)
        return Number(tree.value, span_of(tree))

    def call(self, tree: ast.Call, output: str | None) -> Call:
        if isinstance(tree.func, ast.Subscript):
            message = "a function has no slot where it is called: which copy is meant follows from its per"
            raise refuse(tree.func, message, self.language, "FG307", "call it without brackets: decoder(Z[2])")
        name = self.path(tree.func)
        if not tree.args and self.language != "claim":
            raise refuse(tree, f'"{".".join(name)}" is called without an argument', self.language, "FG304")
        return Call(name, self.arguments(tree), output, span_of(tree), span_of(tree.func))

    def arguments(self, tree: ast.Call) -> tuple[Node, ...]:
        for argument in tree.args:
            if isinstance(argument, ast.Starred):
                raise refuse(argument, "arguments are written one by one", self.language)
        return tuple(self.node(argument) for argument in tree.args)

    def read(self, tree: ast.Subscript, output: str | None) -> Read:
        if isinstance(tree.value, ast.Call):
            message = "the result of a call has no slots"
            raise refuse(tree, message, self.language, "FG307", "put the slot on the variable inside: decoder(Z[2])")
        if isinstance(tree.value, ast.Subscript):
            raise refuse(tree, "one slot is given at a time", self.language, "FG307")
        return Read(self.path(tree.value), self.slot(tree.slice), output, span_of(tree), span_of(tree.value))

    def slot(self, tree: ast.AST) -> Slot:
        """``t``, ``t-1``, ``t+1``, ``first.t``, ``2``, ``last``."""
        if isinstance(tree, ast.Name | ast.Attribute):
            return Slot(".".join(self.path(tree)), 0, span_of(tree))
        if isinstance(tree, ast.Constant) and type(tree.value) is int:
            return Slot(None, tree.value, span_of(tree))
        if isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.Add | ast.Sub):
            left, right = tree.left, tree.right
            index = ".".join(self.path(left)) if isinstance(left, ast.Name | ast.Attribute) else "last"
            if index != "last" and isinstance(right, ast.Constant) and type(right.value) is int:
                sign = 1 if isinstance(tree.op, ast.Add) else -1
                return Slot(index, sign * right.value, span_of(tree))
        fix = "the last slot is written [last]" if isinstance(tree, ast.UnaryOp) else ""
        message = f"[{self.text[slice(*span_of(tree))]}] is no slot"
        raise ExpressionError("FG307", message, span_of(tree), "[t], [t-1], [t+1], [2], [last]", fix)

    def path(self, tree: ast.AST) -> tuple[str, ...]:
        """``first.decoder`` as its parts."""
        parts: list[str] = []
        base = tree
        while isinstance(base, ast.Attribute):
            parts.insert(0, base.attr)
            base = base.value
        if isinstance(base, ast.Name):
            return (base.id, *parts)
        if parts:
            end = span_of(tree)[1]
            message = f'".{parts[-1]}" can only follow a name, a slot or a call, once'
            raise ExpressionError("FG305", message, (end - len(parts[-1]) - 1, end), ALLOWED[self.language])
        fix = "a product is written with *"
        raise refuse(tree, "only what has a name can be called or given a slot", self.language, fix=fix)

    def stranger(self, tree: ast.AST) -> ExpressionError:
        if isinstance(tree, ast.UnaryOp):
            return refuse(tree, "a plus sign stands between two values", self.language, fix="remove it")
        if isinstance(tree, ast.Tuple):
            return refuse(tree, "a comma outside a call", self.language, "FG304", "a list is written in YAML, with [ and ]")
        if isinstance(tree, ast.List):
            return refuse(tree, "a list has no place inside an expression", self.language, fix="write several arguments: f(A, B)")
        return refuse(tree, "this has no place in an expression", self.language)
