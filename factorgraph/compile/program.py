"""Evaluating a graph: from the tensors of some values to the tensors of others, and to each factor's energy.

Pure: parameters come in as tensors, nothing is kept between calls but the order of evaluation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from factorgraph.errors import RunError, issue
from factorgraph.graph.model import WEIGHT, Application, Constant, FactorNode, Graph, Id, Operation, Value, Variable
from factorgraph.lazy import torch
from factorgraph.structure import Affine, Proximal, Shape

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.compile.learning import Learning

Tensors = Mapping[str, Mapping[str, "Tensor"]]  # parameters by owner ("functions.decoder") and local name ("matrix")
Assignment = Mapping[Id, "Tensor"]  # (batch, *shape) each
PIECE = 2**20  # units of a sample that are summed at once


class MissingError(KeyError):
    """A variable that is needed and was not given."""


class Program:
    """The evaluation of one graph. ``assignment`` always holds at least one variable: it fixes batch, dtype and device.

    ``learning``: the step that the evaluation is part of; without it functions rest.
    """

    def __init__(self, graph: Graph):
        self.graph = graph
        self.order = cache(self._order)

    def __deepcopy__(self, memo: object) -> Program:
        return self  # nothing in it ever changes

    def values(
        self, wanted: Iterable[Id], given: Assignment, tensors: Tensors, learning: Learning | None = None
    ) -> dict[Id, Tensor]:
        """The wanted values, and all that was computed on the way. Raises :class:`MissingError` with the variable's id."""
        known: dict[Id, Tensor] = dict(given)
        like = next(iter(given.values()))
        for key in self.order(tuple(wanted), frozenset(given)):
            known[key] = self._value(self.graph.values[key], known, tensors, like, learning)
        return known

    def share(self, key: str, known: Mapping[Id, Tensor], tensors: Tensors) -> Tensor:
        """A factor's weighted energy, (batch,), from the values of its arguments."""
        weight, energy = self.weight(key, tensors), self.energy(key, known, tensors)
        return energy if isinstance(weight, float) and weight == 1 else weight * energy

    def weight(self, key: str, tensors: Tensors) -> Tensor | float:
        """What multiplies a factor: a number, or where it is tuned what it has come to, ()."""
        factor = self.graph.factors[key]
        return factor.weight if factor.target is None else tensors[f"factors.{key}"][WEIGHT]

    def energy(self, key: str, known: Mapping[Id, Tensor], tensors: Tensors) -> Tensor:
        """The same without the weight."""
        factor = self.graph.factors[key]
        if factor.matrix is not None:
            of_matrix: Tensor = factor.leaf.energy(tensors[f"functions.{factor.matrix}"]["matrix"])
            return of_matrix.expand(len(next(iter(known.values()))))
        arguments: list[object] = [*self.arguments(factor, known)]
        if factor.parameters:
            arguments.append(tensors[f"factors.{factor.id}"])
        if len(arguments) == 1 and isinstance(factor.leaf, Proximal) and factor.leaf.separable and not torch.is_grad_enabled():
            return _in_pieces(lambda part: self.by_row(factor, (part,)), arguments[0])
        return self.by_row(factor, arguments)

    def arguments(self, factor: FactorNode, known: Mapping[Id, Tensor]) -> list[Tensor]:
        """What a factor compares, (batch, *shape) each, or (batch, 1, ...) for a number beside units."""
        return [self.argument(factor, each, known) for each in factor.arguments]

    def argument(self, factor: FactorNode, key: Id, known: Mapping[Id, Tensor]) -> Tensor:
        """One of them."""
        shape = max((self.graph.values[each].shape for each in factor.arguments), key=len)
        return units(_spread(known[key], (), next(iter(known.values()))), shape)

    def by_row(self, factor: FactorNode, arguments: Sequence[object]) -> Tensor:
        """What a factor makes of its arguments, (batch,). Raises :class:`RunError` FG679 where it is of another shape, that would
        spread over the batch in silence: a stranger's factor may average."""
        found: object = factor.leaf.energy(*arguments)  # type: ignore[arg-type]
        rows = max((each.shape[0] for each in arguments if isinstance(each, torch.Tensor) and each.dim()), default=None)
        if isinstance(found, torch.Tensor) and (rows is None or found.shape == (rows,)):
            return found
        came = f"the shape {list(found.shape)}" if isinstance(found, torch.Tensor) else f"the type {type(found).__name__}"
        message = f"the energy of {factor.id}, of type {factor.leaf.type}, has {came}; of {rows} samples it must have [{rows}]"
        fix = f"let energy of {type(factor.leaf).__name__} sum over units, a number each sample: .reshape(len(x), -1).sum(1)"
        raise RunError(self.graph.spec.document.located([issue("FG679", message, ("factors", factor.name), fix=fix)]))

    def shares(
        self, keys: Iterable[str], given: Assignment, tensors: Tensors, learning: Learning | None = None
    ) -> dict[str, Tensor]:
        """Each factor's weighted energy, (batch,)."""
        keys = tuple(keys)
        wanted = tuple(dict.fromkeys(each for key in keys for each in self.graph.factors[key].arguments))
        known = self.values(wanted, given, tensors, learning)
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

    def _value(
        self, value: Value, known: Mapping[Id, Tensor], tensors: Tensors, like: Tensor, learning: Learning | None
    ) -> Tensor:
        if isinstance(value, Variable):
            assert value.definition is not None, "an order never holds a free variable"
            found = known[value.definition]
            return _spread(found, value.shape, like) if value.shape else found
        if isinstance(value, Constant):
            return torch.full((), value.value, dtype=like.dtype, device=like.device)
        parts = [known[each] for each in value.arguments]
        if isinstance(value, Application):
            return self._applied(value, tuple(_spread(each, (), like) for each in parts), tensors, learning)
        return _combined(value, parts if value.operator == "join" else [units(each, value.shape) for each in parts])

    def _applied(self, value: Application, parts: tuple[Tensor, ...], tensors: Tensors, learning: Learning | None) -> Tensor:
        node = self.graph.functions[value.function]
        leaf, parameters = node.leaf, tensors.get(f"functions.{value.function}", {})
        if value.output is not None:
            result = leaf.part(value.output, parts[0])
        elif value.method == "transpose":
            assert isinstance(leaf, Affine), "the graph lets only affine functions be transposed"
            result = leaf.transpose(parts[0], parameters, value.shape)
        elif value.method == "forward" and leaf.learns_apart and learning is not None and node.id in learning.learned:
            result = learning.applied(value, node, parts, parameters, self.graph)
        else:
            result = getattr(leaf, value.method)(*parts, parameters)
        return shaped(result, (parts[0].shape[0], *value.shape))


def _spread(value: Tensor, shape: Shape, like: Tensor) -> Tensor:
    """A number as a value of every row of the batch: a state that begins as a number has the shape of the next one."""
    return value.expand(like.shape[0], *shape) if value.dim() == 0 and like.dim() else value


def units(value: Tensor, shape: Shape) -> Tensor:
    """A number of every row, as what a function makes of a number, among values of a shape: it stands for equal units."""
    return value.reshape(-1, *[1] * len(shape)) if value.dim() == 1 and shape else value


def shaped(value: Tensor, shape: Shape) -> Tensor:
    """In a shape; where it has it, no operator is spent."""
    return value if value.shape == shape else value.reshape(shape)


def spread(value: Tensor, shape: Shape) -> Tensor:
    """Repeated to a shape; where it has it, no operator is spent."""
    return value if value.shape == shape else value.expand(shape)


def _in_pieces(energy: Callable[[Tensor], Tensor], x: Any) -> Tensor:
    """A sum over units, of a code of many by and by: nothing else as large as the code is made."""
    pieces = torch.split(x.flatten(1), PIECE, 1) if x.dim() > 1 and x[0].numel() > PIECE else (x,)
    return torch.stack([energy(each) for each in pieces]).sum(0)


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
