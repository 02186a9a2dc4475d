"""How parameters start: pure functions of the seed and the parameter's address."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING

from factorgraph.compile.freed import freed
from factorgraph.compile.phases import owned
from factorgraph.data.order import order, torch_generator
from factorgraph.errors import DataError, issue
from factorgraph.graph.model import Graph
from factorgraph.lazy import np, torch
from factorgraph.structure import Parameter

if TYPE_CHECKING:
    from numpy import ndarray
    from torch import Tensor


def start(graph: Graph, data: Mapping[str, ndarray] | None) -> dict[str, dict[str, Tensor]]:
    """Every parameter of a graph, by owner and local name, on its constraints.

    ``data``: training rows of observed variables, for parameters that start at data.
    """
    found: dict[str, dict[str, Tensor]] = {}
    for key, node in graph.functions.items():
        if node.parameters:
            owner = f"functions.{key}"
            found[owner] = {name: _one(f"{owner}.{name}", each, graph, data) for name, each in node.parameters.items()}
            node.leaf.project(found[owner])
    for key, factor in graph.factors.items():
        if factor.held:
            owner = f"factors.{key}"
            found[owner] = {name: _one(f"{owner}.{name}", each, graph, data) for name, each in factor.held.items()}
    for owner, declared in freed(graph).items():  # zeros until a phase first trains them: till then they follow the solver
        found[owner] = {name: _one(f"{owner}.{name}", each, graph, data) for name, each in declared.items()}
    for owner, own in owned(graph.spec).items():
        found[owner] = {name: _one(f"{owner}.{name}", each, graph, data) for name, each in own.items()}
    return found


def _one(address: str, parameter: Parameter, graph: Graph, data: Mapping[str, ndarray] | None) -> Tensor:
    if parameter.start == "constant":
        return torch.full(parameter.shape, parameter.scale)
    if parameter.start == "data" and data is not None:
        return _rows(address, parameter, graph, data)
    generator = torch_generator(graph.spec.seed, "start", address)
    if parameter.start == "uniform":
        return (2 * torch.rand(parameter.shape, generator=generator) - 1) * parameter.scale
    return torch.randn(parameter.shape, generator=generator) * (parameter.scale or 1.0)


def _rows(address: str, parameter: Parameter, graph: Graph, data: Mapping[str, ndarray]) -> Tensor:
    """Different training rows as the columns of a matrix (outputs, inputs), of the observed variable of that many units."""
    outputs, inputs = parameter.shape[0], prod(parameter.shape[1:])
    fitting = [each.name for each in graph.of_kind("observed") if prod(each.shape) == outputs and each.name in data]
    if not fitting:
        raise DataError(issue("FG560", f"{address} starts at data, and no observed variable has its {outputs} units"))
    rows = data[fitting[0]].reshape(-1, outputs)
    if len(rows) < inputs:
        raise DataError(issue("FG560", f"{address} starts at {inputs} training rows, and there are only {len(rows)}"))
    chosen = order(graph.spec.seed, f"start {address}", 0, len(rows))[:inputs]
    return torch.from_numpy(np.ascontiguousarray(rows[chosen].T)).to(torch.float32).reshape(parameter.shape)
