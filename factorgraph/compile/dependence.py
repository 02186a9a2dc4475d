"""How a value of the graph changes with a block of variables: the algebra that solvers live on.

Composition is a walk from the block to the value: an affine map of an affine map is affine, anything through a merely
differentiable function is differentiable, and a product of two things that both move is no longer affine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import reduce

from factorgraph.graph.model import Application, Constant, FactorNode, FunctionNode, Graph, Id, Operation, Value, Variable
from factorgraph.structure import Affine, Differentiable


class Kind(IntEnum):
    """From the most structure to none."""

    CONSTANT = 0  # does not move with the block
    ITSELF = 1  # is a variable of the block
    AFFINE = 2
    DIFFERENTIABLE = 3
    OPAQUE = 4  # no gradient


@dataclass(frozen=True)
class Dependence:
    """``fixed``: where it is affine, no sample changes its coefficients. ``through``: functions met, near the block first."""

    kind: Kind
    fixed: bool = True
    through: tuple[str, ...] = ()
    chain: bool = True  # one way alone leads to it, through functions and nothing else


CONSTANT = Dependence(Kind.CONSTANT)


def dependences(graph: Graph, block: frozenset[Id]) -> Mapping[Id, Dependence]:
    """The dependence of every value of the graph on the variables in ``block``."""
    known: dict[Id, Dependence] = {}
    for key, value in graph.values.items():
        known[key] = _of(value, key in block, known, graph)
    return known


def moving_in(factor: FactorNode, known: Mapping[Id, Dependence]) -> frozenset[int]:
    """The positions of a factor's arguments that move with the block."""
    return frozenset(position for position, each in enumerate(factor.arguments) if known[each].kind is not Kind.CONSTANT)


def origin(graph: Graph, key: Id) -> Id:
    """The value behind names: ``C: Z`` is ``Z``."""
    value = graph.values[key]
    while isinstance(value, Variable) and value.definition is not None:
        value = graph.values[value.definition]
    return value.id


def varies(graph: Graph, key: Id) -> bool:
    """Whether a value changes from sample to sample."""
    return any(isinstance(graph.values[each], Variable) for each in graph.ancestors(key))


def _of(value: Value, in_block: bool, known: Mapping[Id, Dependence], graph: Graph) -> Dependence:
    if in_block:
        return Dependence(Kind.ITSELF)
    if isinstance(value, Variable):
        return CONSTANT if value.definition is None else known[value.definition]
    if isinstance(value, Constant):
        return CONSTANT
    parts = [known[each] for each in value.arguments]
    if all(part.kind is Kind.CONSTANT for part in parts):
        return CONSTANT
    if isinstance(value, Application):
        return parts[0] if value.output else _through(graph.functions[value.function], value, parts)
    return _combined(value, parts, graph)


def _through(node: FunctionNode, value: Application, parts: list[Dependence]) -> Dependence:
    """Behind a function. Several arguments that stay apart, as of a crop and its mask, keep an affine map affine in the first.

    A search moves each row by itself: it has no gradient through a function by which the rows of a batch change each other.
    """
    plain = value.method in ("forward", "transpose")
    through = reduce(lambda a, b: a + b, (part.through for part in parts))
    through = (*through, node.id if value.method == "forward" else f"{node.id}.{value.method}")
    affine = node.leaf.keeps(Affine) and plain and all(part.kind is Kind.CONSTANT for part in parts[1:])
    smooth = node.leaf.keeps(Differentiable) and node.leaf.by_row
    least = Kind.OPAQUE if not smooth else Kind.AFFINE if affine else Kind.DIFFERENTIABLE
    kind = max(least, *(part.kind for part in parts))
    return Dependence(kind, parts[0].fixed and len(parts) == 1, through, parts[0].chain and len(parts) == 1)


def _combined(value: Operation, parts: list[Dependence], graph: Graph) -> Dependence:
    kind = max(Kind.AFFINE, *(part.kind for part in parts))
    fixed = all(part.fixed for part in parts)
    through = reduce(lambda a, b: a + b, (part.through for part in parts))
    if value.operator == "*":
        moving = [part for part in parts if part.kind is not Kind.CONSTANT]
        if len(moving) > 1:
            return Dependence(max(Kind.DIFFERENTIABLE, kind), False, through, False)
        still = next(each for each, part in zip(value.arguments, parts, strict=True) if part.kind is Kind.CONSTANT)
        fixed = fixed and not any(isinstance(graph.values[each], Variable) for each in graph.ancestors(still))
    return Dependence(kind, fixed, through, False)
