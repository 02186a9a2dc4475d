"""Sums of squares of affine maps, |A z + a|^2 term by term: their Hessian, energy and slope by the adjoint of A.

Maps are followed back to the block by hand, so that nothing is recorded, and no batch of zeros is multiplied with a matrix.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

from factorgraph.compile.dependence import Dependence, Kind, moving_in, origin, varies
from factorgraph.compile.program import Assignment, Tensors, shaped, units
from factorgraph.graph.model import Application, FactorNode, Graph, Id, Operation, Variable
from factorgraph.inference.rows import flat
from factorgraph.lazy import torch
from factorgraph.structure import Affine, Placed, Square

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.compile.problems import Block

SUMS = ("+", "-", "negate", "sum", "mean")


@dataclass(frozen=True)
class Compared:
    """A factor that is a square of what one affine map of the block gives, less what stands still."""

    factor: FactorNode
    position: int  # of the map among the factor's arguments
    itself: bool  # the map is the block's only variable
    alike: bool  # no sample changes what it gives for a block of zeros

    @property
    def moves(self) -> Id:
        return self.factor.arguments[self.position]


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
        free = (each for each in map(graph.values.__getitem__, graph.ancestors(key)) if isinstance(each, Variable))
        alike = all(each.id in block.plan.block for each in free if each.definition is None)
        found.append(Compared(factor, position, itself, alike))
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


@dataclass(frozen=True)
class Squares:
    """The squares of a block for some parameters. ``still``: what stands still beside the block, (batch, *shape) each or ()."""

    block: Block
    still: Assignment
    tensors: Tensors

    def at_zero(self, like: Tensor) -> dict[Id, Tensor]:
        """What maps give for a block of zeros, (1, *shape) each, where no sample changes it."""
        return self._at(like.new_zeros(1, like.shape[1]), [each.moves for each in self.block.compared if each.alike])

    def hessian(self, like: Tensor) -> Tensor:
        """(units, units), from what maps give for single units, each in its row: what samples change may be anything."""
        graph = self.block.program.graph
        blank = {key: each.new_zeros(1, *each.shape[1:]) if varies(graph, key) else each for key, each in self.still.items()}
        alone, unit = Squares(self.block, blank, self.tensors), torch.eye(like.shape[1], dtype=like.dtype, device=like.device)
        wanted = [each.moves for each in self.block.compared if not each.itself]
        moved, before = alone._at(unit, wanted), alone._at(like.new_zeros(1, like.shape[1]), wanted)
        rows = {key: flat(moved[key] - before[key]) for key in wanted}
        products = (unit if each.itself else rows[each.moves] @ rows[each.moves].T for each in self.block.compared)
        weighed = zip(products, map(self._curvature, self.block.compared), strict=True)
        return _sum([_times(product, weight) for product, weight in weighed]).to(like)

    def linear(self, start: Tensor, at_zero: Assignment) -> tuple[Tensor, Tensor]:
        """The energy, (batch,), and its slope, (batch, units), at a block of zeros."""
        batch, block = start.shape[0], self.block
        missing = [each.moves for each in block.compared if each.moves not in at_zero]
        known = {**at_zero, **(self._at(start.new_zeros(1, start.shape[1]), missing) if missing else {}), **self.still}
        energies: list[Tensor] = []
        slopes: dict[Id, list[Tensor]] = {each: [] for each in block.plan.block}
        for each in block.compared:
            compared = block.program.arguments(each.factor, known)
            moved, *beside = compared[each.position :] + compared[: each.position]
            apart = moved - beside[0] if beside else moved
            apart = apart if apart.shape[0] == batch else apart.expand(batch, *apart.shape[1:])
            weight = self._curvature(each)
            energies.append(torch.linalg.vector_norm(flat(apart), dim=1).square() * (weight / 2))
            self._back(each.moves, _times(apart, weight), slopes)
        untouched = {each.id: [start.new_zeros(batch, *each.shape)] for each in block.variables if not slopes[each.id]}
        slope = block.join({key: _sum(each) for key, each in {**slopes, **untouched}.items()})
        return _sum(energies).to(start), slope.to(start)

    def _at(self, z: Tensor, wanted: Iterable[Id]) -> dict[Id, Tensor]:
        known = self.block.program.values(wanted, {**self.block.split(z), **self.still}, self.tensors)
        return {key: known[key] for key in wanted}

    def _curvature(self, compared: Compared) -> Tensor | float:
        return curvature(self.block, compared.factor, self.tensors)

    def _back(self, key: Id, y: Tensor, slopes: Mapping[Id, list[Tensor]]) -> None:
        """Add what the adjoint makes of y, (batch, *shape), to the slopes of the block's variables."""
        graph, known = self.block.program.graph, self.block.dependences
        value = graph.values[origin(graph, key)]
        if value.id in slopes:
            slopes[value.id].append(y)
            return
        for place, each in enumerate(value.arguments):
            if known[each].kind is not Kind.CONSTANT:
                assert isinstance(value, Application | Operation), "else nothing leads back"
                part = self._adjoint(value, y) if isinstance(value, Application) else self._part(value, place, y)
                self._back(each, part, slopes)

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


def _times(x: Tensor, number: Tensor | float) -> Tensor:
    return x if isinstance(number, float) and number == 1 else x * number


def _sum(parts: Sequence[Tensor]) -> Tensor:
    return reduce(torch.add, parts)
