"""Bounds of how far affine maps stretch, composed along the graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factorgraph.compile.program import Program, Tensors
from factorgraph.graph.model import Application, Graph, Id, Operation
from factorgraph.structure import Affine, Shape

if TYPE_CHECKING:
    from torch import Tensor


class Norms:
    """Bounds of the norms of affine maps from a block to values, composed along the graph."""

    def __init__(self, graph: Graph, block: frozenset[Id], tensors: Tensors, like: Tensor):
        self.graph, self.block, self.tensors = graph, block, tensors
        self.zero, self.one = like.new_zeros(()), like.new_ones(())

    def of(self, key: Id) -> Tensor:
        value = self.graph.values[key]
        if key in self.block:
            return self.one
        if not self.graph.depends(key, self.block):
            return self.zero
        if isinstance(value, Application):
            node = self.graph.functions[value.function]
            assert isinstance(node.leaf, Affine), "the planner bounds only what is affine"
            bound = node.leaf.norm_bound(self.tensors.get(f"functions.{node.id}", {}), self._given(value))
            return bound * self.of(value.arguments[0])
        if isinstance(value, Operation) and value.operator == "*":
            still = next(each for each in value.arguments if not self.graph.depends(each, self.block))
            moving = next(each for each in value.arguments if each != still)
            return self._number(still) * self.of(moving)
        parts = [self.of(each) for each in value.arguments]
        total = sum(parts, self.zero)
        return total / len(parts) if isinstance(value, Operation) and value.operator == "mean" else total

    def _given(self, value: Application) -> Shape:
        """What the function reads, seen forward."""
        return value.shape if value.method == "transpose" else self.graph.values[value.arguments[0]].shape

    def _number(self, key: Id) -> Tensor:
        """The magnitude of an expression of numbers alone."""
        return Program(self.graph).values((key,), {"": self.one}, self.tensors)[key].abs()
