"""Claims: arithmetic over metrics, ``energy(fast) / energy(optimal)``, each after the state that it is measured in."""

from __future__ import annotations

import ast
from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import Literal

from factorgraph.spec.expressions import Node, Number, ParsedText, Read, Reader, Slot, Span, remembered, walk
from factorgraph.spec.syntax import ALLOWED, ExpressionError, python_tree, refuse, span_of

MOST_STATES = 2  # a variant, then a phase or "start"


@dataclass(frozen=True)
class State:
    """``filters[2]`` of a family of variants, ``wide``, a phase, or ``start``: whoever knows the names decides."""

    name: str
    slot: Slot | None
    span: Span


@dataclass(frozen=True)
class Measure:
    """``thin[last].code_error(lista, optimal)``. Arguments are values, constants, or calls of metrics per unit."""

    states: tuple[State, ...]
    metric: str
    arguments: tuple[Node, ...]
    span: Span
    name_span: Span  # of the metric's name


@dataclass(frozen=True)
class Combined:
    operator: Literal["+", "-", "*", "/"]
    left: ClaimNode
    right: ClaimNode
    span: Span


@dataclass(frozen=True)
class Minus:
    operand: ClaimNode
    span: Span


ClaimNode = Number | Measure | Combined | Minus


@remembered
def parse_claim(text: str) -> ClaimNode:
    """The tree of a claim. Raises :class:`ExpressionError`."""
    return _ClaimReader("claim", text).claim(python_tree(text, "claim"))


class ClaimExpression(ParsedText[ClaimNode]):
    """What a claim measures."""

    wanted = "a claim"

    @staticmethod
    def parse(text: str) -> ClaimNode:
        return parse_claim(text)

    def measures(self) -> tuple[Measure, ...]:
        """Every figure that has to be measured, in the order of writing."""
        return tuple(_measures(self.root))


def _measures(root: ClaimNode) -> Iterator[Measure]:
    if isinstance(root, Measure):
        yield root
    elif isinstance(root, Combined):
        yield from _measures(root.left)
        yield from _measures(root.right)
    elif isinstance(root, Minus):
        yield from _measures(root.operand)


def slots_of(root: ClaimNode) -> Iterator[Slot]:
    """Every slot that a claim mentions, in its states and in its arguments."""
    for measure in _measures(root):
        yield from (each.slot for each in measure.states if each.slot is not None)
        for argument in measure.arguments:
            yield from (each.slot for each in walk(argument) if isinstance(each, Read) and each.slot is not None)


def free_indices(root: ClaimNode, indices: Container[str]) -> tuple[str, ...]:
    """The indices over whose slots a claim goes, in the order in which it mentions them."""
    mentioned = dict.fromkeys(slot.index for slot in slots_of(root) if slot.index is not None)
    return tuple(index for index in mentioned if index in indices)


class _ClaimReader(Reader):
    """Python's tree as a claim's."""

    def claim(self, tree: ast.AST) -> ClaimNode:
        if isinstance(tree, ast.BinOp):
            return Combined(self.operator(tree), self.claim(tree.left), self.claim(tree.right), span_of(tree))
        if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.USub):
            return Minus(self.claim(tree.operand), span_of(tree))
        if isinstance(tree, ast.Constant):
            return self.number(tree)
        if isinstance(tree, ast.Call):
            return self.measure(tree)
        if isinstance(tree, ast.Name | ast.Subscript | ast.Attribute):
            if isinstance(tree, ast.Attribute) and isinstance(tree.value, ast.Call):
                raise refuse(tree, "a metric is one number, and nothing follows it", "claim", "FG310")
            written = self.text[slice(*span_of(tree))]
            fix = "call one: energy(optimal), active(Z)"
            raise refuse(tree, f'a claim is about metrics, and "{written}" is not called', "claim", "FG310", fix)
        raise self.stranger(tree)

    def measure(self, tree: ast.Call) -> Measure:
        """``[ state "." ] METRIC "(" { argument "," } ")"``."""
        func = tree.func
        if isinstance(func, ast.Name):
            return Measure((), func.id, self.arguments(tree), span_of(tree), span_of(func))
        if isinstance(func, ast.Subscript):
            message = "a metric has no slot; the state before it can have one"
            raise refuse(func, message, "claim", "FG310", "write thin[2].energy(optimal)")
        if not isinstance(func, ast.Attribute):
            raise refuse(func, "only a metric can be called here", "claim", "FG310")
        states = self.states(func.value)
        end = span_of(func)[1]
        if len(states) > MOST_STATES:
            message = "before a metric stand at most a variant and a phase"
            raise ExpressionError("FG310", message, span_of(func.value), ALLOWED["claim"])
        return Measure(states, func.attr, self.arguments(tree), span_of(tree), (end - len(func.attr), end))

    def states(self, tree: ast.AST) -> tuple[State, ...]:
        """``thin[p].phase_1`` as its parts."""
        slot, whole = None, span_of(tree)
        if isinstance(tree, ast.Subscript):
            slot, tree = self.slot(tree.slice), tree.value
        if isinstance(tree, ast.Name):
            return (State(tree.id, slot, whole),)
        if isinstance(tree, ast.Attribute):
            start = span_of(tree)[1] - len(tree.attr)
            return (*self.states(tree.value), State(tree.attr, slot, (start, whole[1])))
        raise refuse(tree, "a state is the name of a variant or a phase", "claim", "FG310", "write start.energy(optimal)")
