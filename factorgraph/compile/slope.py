"""How a value moves with what is observed: the squared norm of its derivative, sample by sample, exact for any graph."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from factorgraph.compile.program import Program, Tensors
from factorgraph.factors.functions._unitwise import UnitByUnit
from factorgraph.graph.model import Application, FunctionNode, Graph, Id, Variable
from factorgraph.lazy import torch
from factorgraph.structure import Dense

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.compile.learning import Learning


def moved_by_data(graph: Graph, key: Id) -> tuple[Id, ...]:
    """The observed variables that a value is computed from."""
    return tuple(each.id for each in graph.of_kind("observed") if each.id in graph.ancestors(key))


def made_by(graph: Graph, key: Id) -> FunctionNode | None:
    """The function whose result a value is, if it is one's."""
    value = graph.values[key]
    return graph.functions[value.function] if isinstance(value, Application) and value.method == "forward" else None


def unnamed(graph: Graph, key: Id) -> Id:
    """The value itself, where a variable is only its name."""
    value = graph.values[key]
    while isinstance(value, Variable) and value.definition is not None:
        value = graph.values[value.definition]
    return value.id


def squared_slope(
    program: Program, key: Id, known: Mapping[Id, Tensor], tensors: Tensors, learning: Learning | None = None
) -> Tensor:
    r"""(batch,): :math:`\lVert \partial v / \partial Y \rVert^2`, summed over units of the value and of all that is observed.

    ``known``: the variables; those that are inferred stay where they are. Differentiable by parameters. Rows of the batch must
    not change each other.
    """
    with torch.enable_grad():
        mixed = _mixed(program.graph, key)
        if mixed is not None:
            return _unit_by_unit(program, key, mixed, known, tensors, learning)
        given = {each: known[each].detach().requires_grad_() for each in moved_by_data(program.graph, key)}
        value = program.values((key,), {**known, **given}, tensors, learning)[key].flatten(1)
        units = sum(math.prod(each.shape[1:]) for each in given.values())
        return (_from_results if value.shape[1] <= units else _from_arguments)(value, list(given.values()))


def _mixed(graph: Graph, key: Id) -> Id | None:
    """What a dense matrix makes of an observed variable, if the value is that, unit by unit."""
    value = graph.values[unnamed(graph, key)]
    while isinstance(value, Application) and value.method == "forward" and value.output is None:
        leaf = graph.functions[value.function].leaf
        below = graph.values[unnamed(graph, value.arguments[0])]
        if isinstance(leaf, Dense):
            return value.id if isinstance(below, Variable) and below.kind == "observed" else None
        if not isinstance(leaf, UnitByUnit) or len(value.arguments) > 1:
            return None
        value = below
    return None


def _unit_by_unit(
    program: Program, key: Id, mixed: Id, known: Mapping[Id, Tensor], tensors: Tensors, learning: Learning | None
) -> Tensor:
    """Of s(W y + b), where s goes unit by unit: the sum over units of s' squared times the square of the row's length."""
    value = program.graph.values[mixed]
    assert isinstance(value, Application), "what a matrix makes is an application"
    before = program.values((mixed,), known, tensors, learning)[mixed]
    before = before if before.requires_grad else before.detach().requires_grad_()
    after = program.values((key,), {**known, mixed: before}, tensors, learning)[key]
    (slope,) = torch.autograd.grad(after.sum(), before, create_graph=True)
    lengths = tensors[f"functions.{value.function}"]["matrix"].flatten(1).square().sum(1)
    return slope.flatten(1).square() @ lengths


def _from_results(value: Tensor, given: list[Tensor]) -> Tensor:
    """Row by row of the derivative: (batch, units) -> (batch,)."""
    total = value.new_zeros(len(value))
    for unit in range(value.shape[1]):
        for row in torch.autograd.grad(value[:, unit].sum(), given, create_graph=True):
            total = total + row.flatten(1).square().sum(1)
    return total


def _from_arguments(value: Tensor, given: list[Tensor]) -> Tensor:
    """Column by column, for few observed units: what goes backwards is linear in where it starts, and its derivative by that
    start goes forwards."""
    start = torch.zeros_like(value).requires_grad_()
    total = value.new_zeros(len(value))
    for back in torch.autograd.grad(value, given, start, create_graph=True):
        flat = back.flatten(1)
        for unit in range(flat.shape[1]):
            (column,) = torch.autograd.grad(flat[:, unit].sum(), start, create_graph=True)
            total = total + column.square().sum(1)
    return total
