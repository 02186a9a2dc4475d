"""Evaluating a graph: from the tensors of some values to the tensors of others, and to each factor's energy.

Pure: parameters come in as tensors, nothing is kept between calls but the order of evaluation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING

from factorgraph.graph.model import Application, Constant, FactorNode, Graph, Id, Operation, Value, Variable
from factorgraph.lazy import torch
from factorgraph.structure import Affine

if TYPE_CHECKING:
    from torch import Tensor

Tensors = Mapping[str, Mapping[str, "Tensor"]]  # parameters by owner ("functions.decoder") and local name ("matrix")
Assignment = Mapping[Id, "Tensor"]  # (batch, *shape) each


class MissingError(KeyError):
    """A variable that is needed and was not given."""


class Program:
    """The evaluation of one graph. ``assignment`` always holds at least one variable: it fixes batch, dtype and device."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.order = cache(self._order)

    def __deepcopy__(self, memo: object) -> Program:
        return self  # nothing in it ever changes

    def values(self, wanted: Iterable[Id], given: Assignment, tensors: Tensors) -> dict[Id, Tensor]:
        """The wanted values, and all that was computed on the way. Raises :class:`MissingError` with the variable's id."""
        known: dict[Id, Tensor] = dict(given)
        like = next(iter(given.values()))
        for key in self.order(tuple(wanted), frozenset(given)):
            known[key] = self._value(self.graph.values[key], known, tensors, like)
        return known

    def share(self, key: str, known: Mapping[Id, Tensor], tensors: Tensors) -> Tensor:
        """A factor's weighted energy, (batch,), from the values of its arguments."""
        factor = self.graph.factors[key]
        arguments: list[object] = [known[each] for each in factor.arguments]
        if factor.parameters:
            arguments.append(tensors[f"factors.{factor.id}"])
        return factor.weight * factor.leaf.energy(*arguments)  # type: ignore[arg-type]

    def shares(self, keys: Iterable[str], given: Assignment, tensors: Tensors) -> dict[str, Tensor]:
        """Each factor's weighted energy, (batch,)."""
        keys = tuple(keys)
        wanted = tuple(dict.fromkeys(each for key in keys for each in self.graph.factors[key].arguments))
        known = self.values(wanted, given, tensors)
        return {key: self.share(key, known, tensors) for key in keys}

    def readable(self, factor: FactorNode, given: Iterable[Id]) -> bool:
        """Whether everything that the factor touches can be computed from the given values."""
        try:
            self.order(factor.arguments, frozenset(given))
        except MissingError:
            return False
        return True

    def _order(self, wanted: tuple[Id, ...], given: frozenset[Id]) -> tuple[Id, ...]:
        needed: set[Id] = set()
        stack = [each for each in wanted if each not in given]
        while stack:
            key = stack.pop()
            if key in needed:
                continue
            value = self.graph.values[key]
            if isinstance(value, Variable) and value.definition is None:
                raise MissingError(key)
            needed.add(key)
            stack += [each for each in value.arguments if each not in given]
        return tuple(key for key in self.graph.values if key in needed)

    def _value(self, value: Value, known: Mapping[Id, Tensor], tensors: Tensors, like: Tensor) -> Tensor:
        if isinstance(value, Variable):
            assert value.definition is not None, "an order never holds a free variable"
            return known[value.definition]
        if isinstance(value, Constant):
            return torch.full((), value.value, dtype=like.dtype, device=like.device)
        parts = [known[each] for each in value.arguments]
        if isinstance(value, Application):
            return self._applied(value, parts[0], tensors)
        return _combined(value, parts)

    def _applied(self, value: Application, x: Tensor, tensors: Tensors) -> Tensor:
        leaf = self.graph.functions[value.function].leaf
        parameters = tensors.get(f"functions.{value.function}", {})
        if value.method == "transpose":
            assert isinstance(leaf, Affine), "the graph lets only affine functions be transposed"
            result = leaf.transpose(x, parameters)
        else:
            result = leaf.forward(x, parameters)
        return result.reshape(x.shape[0], *value.shape)


def _combined(value: Operation, parts: list[Tensor]) -> Tensor:
    if value.operator == "+":
        return parts[0] + parts[1]
    if value.operator == "-":
        return parts[0] - parts[1]
    if value.operator == "*":
        return parts[0] * parts[1]
    if value.operator == "negate":
        return -parts[0]
    if value.operator == "join":
        return torch.cat(parts, dim=1)
    total = torch.stack(parts).sum(0)
    return total if value.operator == "sum" else total / len(parts)
