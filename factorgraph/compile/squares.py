"""Sums of squares of affine maps, |A z + a|^2 term by term: their Hessian, energy and slope by the adjoint of A.

Maps are followed back to the block by hand, so that nothing is recorded, and no batch of zeros is multiplied with a matrix.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

from factorgraph.compile.dependence import Dependence, Kind, moving_in, origin, varies
from factorgraph.compile.program import Assignment, Tensors, shaped, spread, units
from factorgraph.graph.model import Application, FactorNode, Graph, Id, Operation, Variable
from factorgraph.inference.rows import flat
from factorgraph.lazy import torch
from factorgraph.structure import Affine, Dense, Placed, Square

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.compile.problems import Block

Weighed = tuple["Tensor | float", "Tensor"]
SUMS = ("+", "-", "negate", "sum", "mean")


@dataclass(frozen=True)
class Compared:
    """A factor that is a square of what one affine map of the block gives, less what stands still."""

    factor: FactorNode
    position: int  # of the map among the factor's arguments
    itself: bool  # the map is the block's only variable
    dense: Id  # the function that makes it of that alone, by a product with its matrix; empty where more does
    linear: bool  # it gives zeros for a block of zeros
    alike: bool  # no sample changes what it gives for a block of zeros

    @property
    def moves(self) -> Id:
        return self.factor.arguments[self.position]

    @property
    def beside(self) -> Id | None:
        """What it is compared with, where there is something."""
        return next((each for place, each in enumerate(self.factor.arguments) if place != self.position), None)


def compared_in(block: Block) -> tuple[Compared, ...]:
    """The smooth terms of a block, if all are such squares and their maps can be followed back; else none."""
    graph, known = block.program.graph, block.dependences
    found: list[Compared] = []
    for factor in (graph.factors[key] for key in block.smooth if block.squares):
        position, *others = moving_in(factor, known)
        key, shapes = factor.arguments[position], {(), *(graph.values[each].shape for each in factor.arguments)}
        if others or len(shapes) > 2 or graph.values[key].shape != max(shapes, key=len) or not _leads_back(graph, key, known):
            return ()
        itself = known[key].kind is Kind.ITSELF and len(block.variables) == 1
        dense = _dense(graph, key, known) if len(block.variables) == 1 else ""
        free = (each for each in map(graph.values.__getitem__, graph.ancestors(key)) if isinstance(each, Variable))
        alike = all(each.id in block.plan.block for each in free if each.definition is None)
        found.append(Compared(factor, position, itself, dense, _is_linear(graph, key, known), alike))
    return tuple(found)


def _leads_back(graph: Graph, key: Id, known: Mapping[Id, Dependence]) -> bool:
    """Whether the adjoint of all between a value and the block is known."""
    value = graph.values[origin(graph, key)]
    if known[value.id].kind is Kind.ITSELF:
        return True
    moving = [each for each in value.arguments if known[each].kind is not Kind.CONSTANT]
    if isinstance(value, Application):
        leaf, alone = graph.functions[value.function].leaf, value.output is None and len(value.arguments) == 1
        adjoint = leaf.keeps(Affine) if value.method == "forward" else value.method == "transpose" and leaf.keeps(Placed)
        return alone and adjoint and _leads_back(graph, moving[0], known)
    sums = isinstance(value, Operation) and value.operator in (*SUMS, "*")
    whole = all(graph.values[each].shape == value.shape for each in moving)
    return sums and whole and all(_leads_back(graph, each, known) for each in moving)


def _dense(graph: Graph, key: Id, known: Mapping[Id, Dependence]) -> Id:
    value = graph.values[origin(graph, key)]
    if not isinstance(value, Application) or value.method != "forward" or known[value.arguments[0]].kind is not Kind.ITSELF:
        return ""
    return value.function if graph.functions[value.function].leaf.keeps(Dense) else ""


def _is_linear(graph: Graph, key: Id, known: Mapping[Id, Dependence]) -> bool:
    """Whether a value that leads back is zeros where the block is, whatever stands still: nothing is added on the way."""
    value = graph.values[origin(graph, key)]
    if known[value.id].kind is Kind.ITSELF:
        return True
    if isinstance(value, Application):
        node = graph.functions[value.function]
        bare = value.method == "transpose" or (node.leaf.keeps(Placed) and "bias" not in node.parameters)
        return bare and _is_linear(graph, value.arguments[0], known)
    parts = [each for each in value.arguments if known[each].kind is not Kind.CONSTANT]
    scaled = isinstance(value, Operation) and value.operator == "*"
    return (scaled or len(parts) == len(value.arguments)) and all(_is_linear(graph, each, known) for each in parts)


@dataclass(frozen=True)
class Squares:
    """The squares of a block for some parameters. ``still``: what stands still beside the block, (batch, *shape) each or ()."""

    block: Block
    still: Assignment
    tensors: Tensors

    def at_zero(self, like: Tensor) -> dict[Id, Tensor]:
        """What maps give for a block of zeros, (1, *shape) each, where no sample changes it, but for those that give zeros."""
        wanted = [each.moves for each in self.block.compared if each.alike and not each.linear]
        return self._at(like.new_zeros(1, like.shape[1]), wanted) if wanted else {}

    def hessian(self, like: Tensor) -> Tensor:
        """(units, units): what samples change may be anything."""
        maps = self._maps(like)
        pairs = [(self._curvature(each), maps[each.moves]) for each in self.block.compared if not each.itself]
        products = [(weight, matrix.T @ matrix) for weight, matrix in pairs]
        diagonal = [self._curvature(each) for each in self.block.compared if each.itself]
        found = _sum(products).to(like) if products else like.new_zeros(like.shape[1], like.shape[1])
        for weight in diagonal:
            found.diagonal().add_(weight)
        return found

    def _maps(self, like: Tensor) -> dict[Id, Tensor]:
        """The matrix of each map but for the variable itself, (results, units): a function's own, or else what the map makes of
        single units, less what it makes of none."""
        graph, compared = self.block.program.graph, self.block.compared
        known = {each.moves: self.tensors[f"functions.{each.dense}"]["matrix"] for each in compared if each.dense}
        wanted = {each.moves: each.linear for each in compared if not (each.itself or each.dense)}
        if not wanted:
            return known
        blank = {key: each.new_zeros(1, *each.shape[1:]) if varies(graph, key) else each for key, each in self.still.items()}
        alone, unit = Squares(self.block, blank, self.tensors), torch.eye(like.shape[1], dtype=like.dtype, device=like.device)
        moved, added = alone._at(unit, wanted), [key for key, is_linear in wanted.items() if not is_linear]
        before = alone._at(like.new_zeros(1, like.shape[1]), added) if added else {}
        return known | {key: flat(moved[key] - before[key] if key in before else moved[key]).T for key in wanted}

    def linear(self, start: Tensor, at_zero: Assignment) -> tuple[Tensor, Tensor]:
        """The energy, (batch,), and its slope, (batch, units), at a block of zeros."""
        batch, block = start.shape[0], self.block
        missing = [each.moves for each in block.compared if not each.linear and each.moves not in at_zero]
        known = {"": start, **at_zero, **(self._at(start.new_zeros(1, start.shape[1]), missing) if missing else {}), **self.still}
        energies: list[Weighed] = []
        slopes: dict[Id, list[Weighed]] = {each: [] for each in block.plan.block}
        for each in block.compared:
            values = [block.program.argument(each.factor, key, known) for key in (each.moves, each.beside) if key in known]
            if not values:
                continue  # zeros, compared with nothing
            shape = (batch, *block.program.graph.values[each.moves].shape)
            apart = values[0] - values[1] if len(values) == 2 else values[0]
            apart, weight = spread(apart, shape), self._curvature(each)
            energies.append((weight / 2, torch.linalg.vector_norm(flat(apart), dim=1).square()))
            self._back(each.moves, -weight if each.linear else weight, apart, slopes)
        none = ((each.id, each.shape) for each in block.variables if not slopes[each.id])
        untouched = {key: start.new_zeros(batch, *shape) for key, shape in none}
        slope = block.join(untouched | {key: _sum(found) for key, found in slopes.items() if found})
        return (_sum(energies) if energies else start.new_zeros(batch)).to(start), slope.to(start)

    def _at(self, z: Tensor, wanted: Iterable[Id]) -> dict[Id, Tensor]:
        known = self.block.program.values(wanted, {**self.block.split(z), **self.still}, self.tensors)
        return {key: known[key] for key in wanted}

    def _curvature(self, compared: Compared) -> Tensor | float:
        return curvature(self.block, compared.factor, self.tensors)

    def _back(self, key: Id, weight: Tensor | float, y: Tensor, slopes: Mapping[Id, list[Weighed]]) -> None:
        """Add what the adjoint makes of y, (batch, *shape), to the slopes of the block's variables, with its weight."""
        graph, known = self.block.program.graph, self.block.dependences
        value = graph.values[origin(graph, key)]
        if value.id in slopes:
            slopes[value.id].append((weight, y))
            return
        for place, each in enumerate(value.arguments):
            if known[each].kind is not Kind.CONSTANT:
                assert isinstance(value, Application | Operation), "else nothing leads back"
                part = self._adjoint(value, y) if isinstance(value, Application) else self._part(value, place, y)
                self._back(each, weight, part, slopes)

    def _adjoint(self, value: Application, y: Tensor) -> Tensor:
        graph = self.block.program.graph
        leaf, given = graph.functions[value.function].leaf, graph.values[value.arguments[0]].shape
        parameters = self.tensors.get(f"functions.{value.function}", {})
        if value.method == "forward":
            assert isinstance(leaf, Affine), "only such maps are followed back"
            found = leaf.transpose(y, parameters, given)
        else:
            found = leaf.forward(y, {key: each for key, each in parameters.items() if key != "bias"})
        return shaped(found, (y.shape[0], *given))

    def _part(self, value: Operation, place: int, y: Tensor) -> Tensor:
        """What comes back to one argument of a sum, or of a product with what stands still."""
        if value.operator == "*":
            return y * units(self.still[value.arguments[1 - place]], value.shape)
        if value.operator == "mean":
            return y / len(value.arguments)
        return -y if value.operator == "negate" or (value.operator == "-" and place == 1) else y


def curvature(block: Block, factor: FactorNode, tensors: Tensors) -> Tensor | float:
    """How much a square curves: its weight, which may be tuned, is counted."""
    assert isinstance(factor.leaf, Square), "what is told apart has one curvature"
    return block.program.weight(factor.id, tensors) * factor.leaf.curvature(tensors.get(f"factors.{factor.id}", {}))


def _sum(parts: Sequence[Weighed]) -> Tensor:
    """The sum of at least one tensor with its weight, in as few operators as may be."""
    first, *others = parts
    return reduce(_plus, others, _times(*first))


def _times(weight: Tensor | float, x: Tensor) -> Tensor:
    return x if isinstance(weight, float) and weight == 1 else x * weight


def _plus(total: Tensor, part: Weighed) -> Tensor:
    weight, x = part
    return torch.add(total, x, alpha=weight) if isinstance(weight, float) else total + x * weight
