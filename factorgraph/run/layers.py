"""Layers that draw on each other: what a unit far from the data looks like in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from factorgraph.compile.dependence import origin
from factorgraph.graph.model import Application, FunctionNode, Graph, Id, Variable
from factorgraph.graph.roles import unit_by_unit
from factorgraph.lazy import torch
from factorgraph.structure import Convolving

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.run.measured import Measured


def below(graph: Graph, node: FunctionNode, passed: frozenset[str] = frozenset()) -> tuple[FunctionNode, ...]:
    """The functions that draw on from what a function without a role writes into a latent variable, down to a decoder.

    Each is applied to the very variable that the one before is compared with, and is a matrix, or moves kernels by one step, as
    that is. None where there is no such way.
    """
    if node.role or node.id in passed:
        return ()
    for latent in _compared(graph, node):
        for other in _applied(graph, latent):
            if _kind(other) == _kind(node) is not None:
                way = below(graph, other, passed | {node.id})
                if way or other.role == "decoder":
                    return (other, *way)
    return ()


def _applied(graph: Graph, latent: Id) -> Iterator[FunctionNode]:
    applied = [each for each in graph.values.values() if isinstance(each, Application) and each.method == "forward"]
    for value in applied:
        if [origin(graph, each) for each in value.arguments] == [latent]:
            yield graph.functions[value.function]


def _kind(node: FunctionNode) -> int | None:
    """The dimensions of its matrix, if units that write into each other are a product of the two."""
    matrix = node.parameters.get("matrix")
    if matrix is None or (len(matrix.shape) > 2 and not node.leaf.keeps(Convolving)):
        return None
    return len(matrix.shape)


def _compared(graph: Graph, node: FunctionNode) -> Iterator[Id]:
    """The latent variables that what a function makes is compared with."""
    for factor in graph.factors.values():
        if len(factor.arguments) == 2:
            one, other = (graph.values[origin(graph, each)] for each in factor.arguments)
            for made, met in ((one, other), (other, one)):
                writes = isinstance(made, Application) and (made.function, made.method) == (node.id, "forward")
                if writes and isinstance(met, Variable) and met.kind == "latent":
                    yield met.id


def picture_sides(on: Measured, node: FunctionNode) -> tuple[bool, bool]:
    """Whether a function reads pictures, and whether it writes some, in any of its applications.

    What has as many units as a picture has pixels is none by that. A procedure's own filter reads what its energy compares.
    """
    graph = on.graph
    if node.id not in graph.functions:
        return not node.id.endswith(".inhibition"), False
    values = unit_by_unit(graph, [each.id for each in graph.of_kind("observed") if on.picture_shape_of(each) is not None])
    reads = writes = False
    for value in graph.values.values():
        if isinstance(value, Application) and value.function == node.id and value.output is None:
            given, made = value.arguments[0] in values, value.id in values
            forward = value.method == "forward"
            reads, writes = reads or (given if forward else made), writes or (made if forward else given)
    return reads, writes


def drawn_on(units: Tensor, lower: Tensor) -> Tensor:
    """What units write where each value of theirs writes what its lower unit does.

    (units, maps[, side, side]) and (maps, colours[, side, side]) -> (units, colours[, sides, sides]).
    """
    return units @ lower if units.dim() == 2 else torch.nn.functional.conv_transpose2d(units, lower)
