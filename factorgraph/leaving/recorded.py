"""Mathematics that runs, written down as the statements that it is made of.

A leaf's method is called once on tensors; torch tells every operation. What Python decides on the way, options and shapes, is
decided, so that what is left is what this model needs. Names are those that the method gives its values.
"""

from __future__ import annotations

import ast
import keyword
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from factorgraph.whole import told

HERE = str(Path(__file__).parent)
HOME = str(Path(__file__).parents[1])
BINARY: dict[str, type[ast.operator]] = {
    "add": ast.Add, "sub": ast.Sub, "mul": ast.Mult, "div": ast.Div, "pow": ast.Pow, "matmul": ast.MatMult,
    "__mod__": ast.Mod, "remainder": ast.Mod, "__and__": ast.BitAnd, "__or__": ast.BitOr, "bitwise_and": ast.BitAnd,
}  # fmt: skip
COMPARED: dict[str, type[ast.cmpop]] = {
    "lt": ast.Lt, "le": ast.LtE, "gt": ast.Gt, "ge": ast.GtE,
    "eq": ast.Eq, "ne": ast.NotEq, "__eq__": ast.Eq, "__ne__": ast.NotEq,
}  # fmt: skip
REVERSED: dict[str, type[ast.operator]] = {
    "__rsub__": ast.Sub, "__rtruediv__": ast.Div, "__rdiv__": ast.Div, "__rpow__": ast.Pow, "__rmatmul__": ast.MatMult,
}  # fmt: skip
UNARY: dict[str, type[ast.unaryop]] = {"neg": ast.USub, "__invert__": ast.Invert, "bitwise_not": ast.Invert}
SHAPES = {"reshape", "view", "flatten", "expand", "expand_as", "contiguous"}  # say nothing where the shape stays
RESERVED = {"self", "torch", "functional", "nn", *keyword.kwlist}
NUMBERS = {"new_zeros": 0.0, "new_ones": 1.0}  # where they make a number of no axes
FLOATS = {"zeros", "ones", "eye", "empty", "rand", "randn"}  # what makes numbers of the usual kind
LOOKS = {"__bool__", "item", "tolist", "__int__", "__float__", "__index__", "nonzero"}
LONGEST = 70  # characters of an expression that stands within another one
FEW = 16  # numbers of a tensor that is written as one


class UnwritableError(Exception):
    """What was called cannot be written down; the message says what it did."""


@dataclass
class Step:
    """An operation. ``make`` gives its expression for those of its arguments; ``changes``: a tensor is changed in place."""

    make: Callable[[Sequence[ast.expr]], ast.expr]
    arguments: tuple[Any, ...]
    results: tuple[Tensor, ...]
    changes: bool = False


@dataclass
class Recording:
    """What was done to some named tensors, in order."""

    batch: int  # the number of rows, which no other number of the model is
    names: dict[int, ast.expr]  # of given tensors, by identity
    rows: str  # the expression that counts rows
    steps: list[Step] = field(default_factory=list)
    helpers: list[Callable[..., Any]] = field(default_factory=list)  # functions that were called as they stand
    alive: list[Any] = field(default_factory=list)  # so that no identity is used twice
    hints: dict[int, list[str]] = field(default_factory=dict)
    alias: dict[int, int] = field(default_factory=dict)

    def torch(self, func: Any, args: tuple[Any, ...], options: dict[str, Any], found: Any) -> None:
        """See an operation of torch."""
        name = func.__self__.__name__ if getattr(func, "__name__", "") == "__get__" else getattr(func, "__name__", str(func))
        if name in LOOKS:
            raise UnwritableError(f"it looks at a value ({name})")
        if name == "__setitem__" or options.get("out") is not None:
            raise UnwritableError("it writes into a part of a tensor")
        results = (found,) if isinstance(found, Tensor) else tuple(found) if isinstance(found, tuple | list) else ()
        results = tuple(each for each in results if isinstance(each, Tensor))
        self.alive += [found, *args]
        if not results or isinstance(found, torch.Size):
            return
        if name in NUMBERS and results[0].dim() == 0:
            self.names[id(results[0])] = ast.Constant(NUMBERS[name])
            return
        is_changed = name.endswith("_") and not name.endswith("__")
        first = _only(args)
        if not is_changed and first is not None and results[0] is first:
            return
        alone = first if name in SHAPES or ( isinstance(found, tuple | list) and len(results) == 1) else None
        if alone is not None and results[0].shape == alone.shape:
            self.alias[id(results[0])] = self._origin(alone)
            return
        options = {key: value for key, value in options.items() if not _is_usual(name, key, value)}
        shape = (func, name, len(args), tuple(options))
        step = Step(lambda given: _call(shape, given), (*args, *options.values()), results, is_changed)
        self.steps.append(step)
        if is_changed and first is not None:
            self.alias[id(results[0])] = self._origin(first)

    def begin(self) -> int:
        return len(self.steps)

    def end(self, begun: int, function: Callable[..., Any], arguments: tuple[Any, ...], found: Any) -> None:
        """See a call of a function that is written as it stands: one step in the place of those that it is made of."""
        del self.steps[begun:]
        self.helpers.append(function)
        results = (found,) if isinstance(found, Tensor) else ()
        self.alive += [found, *arguments]
        name = function.__name__
        self.steps.append(Step(lambda given: ast.Call(ast.Name(name), list(given), []), arguments, results, found is None))

    def see(self, frame: FrameType, event: str, _: Any) -> None:
        """What a function of the package calls its values when it returns."""
        file = frame.f_code.co_filename
        if event == "return" and file.startswith(HOME) and not file.startswith(HERE):
            for name, value in frame.f_locals.items():
                if isinstance(value, Tensor) and name.isidentifier():
                    self.hints.setdefault(id(value), []).append(name)

    def _origin(self, tensor: Tensor) -> int:
        return self.alias.get(id(tensor), id(tensor))

    # --- writing ---------------------------------------------------------------------------------------------------------------

    def written(self, outcome: Tensor | None) -> list[ast.stmt]:
        """The statements, which end by returning ``outcome``."""
        needed = self._needed(outcome)
        uses: dict[int, list[int]] = {}
        for at, step in enumerate(self.steps):
            for key in self._reads(step) if at in needed else ():
                uses.setdefault(key, []).append(at)
        if outcome is not None:
            uses.setdefault(self._origin(outcome), []).append(len(self.steps))
        return _Writer(self, needed, uses).statements(outcome)

    def _needed(self, outcome: Tensor | None) -> set[int]:
        wanted = set() if outcome is None else {self._origin(outcome)}
        needed: set[int] = set()
        for at in range(len(self.steps) - 1, -1, -1):
            step = self.steps[at]
            if step.changes or wanted & {id(each) for each in step.results}:
                needed.add(at)
                wanted |= set(self._reads(step))
        return needed

    def _reads(self, step: Step) -> list[int]:
        return [self._origin(each) for each in _tensors(step.arguments)]


class _Writer:
    def __init__(self, recording: Recording, needed: set[int], uses: dict[int, list[int]]):
        self.recording, self.needed, self.uses = recording, needed, uses
        self.known: dict[int, ast.expr] = dict(recording.names)
        self.within: dict[int, ast.expr] = {}  # expressions that will stand within others
        self.bound: dict[str, int] = {each.id: key for key, each in recording.names.items() if isinstance(each, ast.Name)}

    def statements(self, outcome: Tensor | None) -> list[ast.stmt]:
        body: list[ast.stmt] = []
        recording = self.recording
        for at, step in enumerate(recording.steps):
            if at not in self.needed:
                continue
            expression = step.make([self.expression(each) for each in step.arguments])
            if step.changes:
                body.append(ast.Expr(expression))
            elif len(step.results) > 1:
                name = self._name(step.results[0], at, "parts")
                body.append(_assigned(name, expression))
                for place, each in enumerate(step.results):
                    self.known[id(each)] = ast.Subscript(ast.Name(name), ast.Constant(place))
            elif self._stands_alone(at, step.results[0], expression):
                name = self._name(step.results[0], at, "found")
                body.append(_assigned(name, expression))
                self.known[id(step.results[0])] = ast.Name(name)
            else:
                self.known[id(step.results[0])] = self.within[id(step.results[0])] = expression
        if outcome is not None:
            body.append(ast.Return(self.expression(outcome)))
        return body

    def _stands_alone(self, at: int, result: Tensor, expression: ast.expr) -> bool:
        """Whether a value gets a name: it is used more than once, long, or read after something changed in place."""
        uses = self.uses.get(id(result), [])
        if uses == [len(self.recording.steps)]:
            return False  # it is returned
        between = any(self.recording.steps[each].changes and each in self.needed for each in range(at + 1, max(uses, default=at)))
        return len(uses) > 1 or between or len(ast.unparse(expression)) > LONGEST

    def _name(self, tensor: Tensor, at: int, other: str) -> str:
        for hint in [*reversed(self.recording.hints.get(id(tensor), [])), other]:
            for name in (hint, *(f"{hint}{number}" for number in range(2, 100))):
                if not self._is_read(name, at):
                    self.bound[name] = id(tensor)
                    return name
        raise AssertionError("there are names enough")

    def _is_read(self, name: str, at: int) -> bool:
        """Whether what a name stands for is read after a step."""
        if name in RESERVED:
            return True
        pending = [each for key, each in self.within.items() if any(use > at for use in self.uses.get(key, []))]
        if any(isinstance(node, ast.Name) and node.id == name for each in pending for node in ast.walk(each)):
            return True
        return name in self.bound and any(use > at for use in self.uses.get(self.bound[name], []))

    def expression(self, value: Any) -> ast.expr:
        """A value as it is written."""
        if isinstance(value, Tensor):
            return self._tensor(value)
        if isinstance(value, torch.Size | tuple):
            return ast.Tuple([self.expression(each) for each in value])
        if isinstance(value, list):
            return ast.List([self.expression(each) for each in value])
        if isinstance(value, slice):
            ends = (None if each is None else self.expression(each) for each in (value.start, value.stop, value.step))
            return ast.Slice(*ends)
        if isinstance(value, torch.dtype):
            usual = value == torch.get_default_dtype() and self.recording.rows.startswith("len(")
            return ast.Name(f"{self.recording.rows[4:-1]}.dtype" if usual else str(value))
        if isinstance(value, bool) or value is None or value is Ellipsis or isinstance(value, str):
            return ast.Constant(value)
        if isinstance(value, int) and value == self.recording.batch:
            return ast.Name(self.recording.rows)
        if isinstance(value, int | float):
            return number(value)
        raise UnwritableError(f"it uses a {type(value).__name__}")

    def _tensor(self, tensor: Tensor) -> ast.expr:
        found = self.known.get(self.recording._origin(tensor))
        if found is not None:
            return found
        if tensor.numel() > FEW:
            raise UnwritableError(f"it holds {tensor.numel()} numbers of its own")
        return ast.Call(ast.Name("torch.tensor"), [self.expression(tensor.tolist())], [])


class _Mode(TorchFunctionMode):
    def __init__(self, recording: Recording):
        super().__init__()
        self.recording = recording

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        self.recording.torch(func, args, dict(kwargs or {}), found)
        return found


@contextmanager
def recording(names: dict[str, Tensor], batch: int, rows: str) -> Iterator[Recording]:
    """Record what is done to tensors, which are called as the keys say."""
    found = Recording(batch, {id(each): ast.parse(name, mode="eval").body for name, each in names.items()}, rows)
    found.alive += [*names.values()]
    before = sys.getprofile()
    with torch.no_grad(), _Mode(found), told(found):
        sys.setprofile(found.see)
        try:
            yield found
        finally:
            sys.setprofile(before)


def number(value: float) -> ast.expr:
    """A number as people write it."""
    if not math.isfinite(value):
        return ast.Name("torch.nan" if math.isnan(value) else "torch.inf" if value > 0 else "-torch.inf")
    return ast.Constant(value) if value >= 0 else ast.UnaryOp(ast.USub(), ast.Constant(-value))


def _assigned(name: str, expression: ast.expr) -> ast.stmt:
    return ast.Assign([ast.Name(name)], expression, lineno=0)


def _only(values: Sequence[Any]) -> Tensor | None:
    return values[0] if values and isinstance(values[0], Tensor) else None


def _tensors(values: Any) -> Iterator[Tensor]:
    for each in values:
        if isinstance(each, Tensor):
            yield each
        elif isinstance(each, tuple | list):
            yield from _tensors(each)


def _is_usual(name: str, key: str, value: Any) -> bool:
    """Whether an option says what is the case without it."""
    usual = (key, value) in (("mode", "constant"), ("inplace", False), ("training", False))
    is_float = name in FLOATS and key == "dtype" and value == torch.get_default_dtype()
    return usual or is_float or key in ("device", "generator") or value is None


def _call(shape: Any, given: Sequence[ast.expr]) -> ast.expr:
    """An operation as an expression: an operator, a method, or a function of torch."""
    func, name, count, keys = shape
    values = list(given[:count])
    while len(values) > 1 and isinstance(values[-1], ast.Constant) and values[-1].value is None and name != "__getitem__":
        values.pop()
    options = [ast.keyword(key, each) for key, each in zip(keys, given[count:], strict=True)]
    if not options and len(values) == 2 and name in BINARY:
        return _folded(values[0], BINARY[name](), values[1])
    if not options and len(values) == 2 and name in REVERSED:
        return _folded(values[1], REVERSED[name](), values[0])
    if not options and len(values) == 2 and name in COMPARED:
        return ast.Compare(values[0], [COMPARED[name]()], [values[1]])
    if len(values) == 1 and name in UNARY:
        return ast.UnaryOp(UNARY[name](), values[0])
    if name == "__getitem__":
        return ast.Subscript(values[0], values[1])
    if getattr(func, "__name__", "") == "__get__":
        return ast.Attribute(values[0], name)
    if getattr(torch.Tensor, name, None) is func:
        return ast.Call(ast.Attribute(values[0], name), values[1:], options)
    return ast.Call(ast.Name(_spelled(func, name)), values, options)


def _folded(a: ast.expr, operator: ast.operator, b: ast.expr) -> ast.expr:
    """An operation, unless it changes nothing, or is of numbers alone."""
    first, second = (_value(each) for each in (a, b))
    if (first == 0 and isinstance(operator, ast.Add)) or (first == 1 and isinstance(operator, ast.Mult)):
        return b
    if second == 0 and isinstance(operator, ast.Add | ast.Sub):
        return a
    if second == 1 and isinstance(operator, ast.Mult | ast.Div | ast.Pow):
        return a
    if isinstance(operator, ast.Mult) and second is not None and first is None:
        return ast.BinOp(b, operator, a)
    if first is not None and second is not None and isinstance(operator, ast.Mult):
        return ast.Constant(first * second)
    if first == 1 and isinstance(operator, ast.Pow):
        return a
    return ast.BinOp(a, operator, b)


def _value(expression: ast.expr) -> float | None:
    """The number that an expression is; None where it is none."""
    value = expression.value if isinstance(expression, ast.Constant) else None
    return value if isinstance(value, int | float) else None


def _spelled(func: Any, name: str) -> str:
    """A function of torch by its public name."""
    for prefix in ("linalg", "fft", "special"):
        if name.startswith(f"{prefix}_"):
            return f"torch.{prefix}.{name.removeprefix(prefix + '_')}"
    if getattr(torch.nn.functional, name, None) is func:
        return f"functional.{name}"
    if hasattr(torch, name):
        return f"torch.{name}"
    raise UnwritableError(f"it calls {name} of torch")
