"""A block that is minimised part by part: what each part sees while the others stand still."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from factorgraph.graph.model import Id
from factorgraph.inference.problem import Part, Problem
from factorgraph.structure import Solver

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.compile.problems import Block, Shared
    from factorgraph.compile.program import Assignment, Tensors


@dataclass(frozen=True)
class Made:
    """A part, with what of its problem no sample changes: no other variable does either, so that it is made once a solve."""

    solver: Solver
    block: Block
    shared: Shared


class Parts:
    """The parts of a block for some parameters."""

    def __init__(self, whole: Block, start: Tensor, still: Assignment, tensors: Tensors):
        self.whole, self.tensors = whole, tensors
        self.made: list[Made] = []
        for solver, block in whole.parts:
            own, beside = self._seen(block, still, start)
            self.made.append(Made(solver, block, block.shared(own, beside, tensors)))

    def of(self, still: Assignment) -> tuple[Part, ...]:
        """As a solver sees them; ``still``: what stands still beside the whole block."""
        return tuple(Part(each.solver, partial(self._problem, each, still), partial(self._put, each.block)) for each in self.made)

    def _problem(self, made: Made, still: Assignment, z: Tensor) -> Problem:
        own, beside = self._seen(made.block, still, z)
        return made.block.posed(own, beside, self.tensors, made.shared)

    def _seen(self, block: Block, still: Assignment, z: Tensor) -> tuple[Tensor, dict[Id, Tensor]]:
        """Where a part is in a code of all, and the values beside it that its energy reads."""
        values = self.whole.split(z)
        known = block.beside(z, {**still, **values}, self.tensors)
        return block.join(values), {key: each.detach() for key, each in known.items()}

    def _put(self, block: Block, z: Tensor, own: Tensor) -> Tensor:
        values: Mapping[Id, Tensor] = {**self.whole.split(z), **block.split(own)}
        return self.whole.join(values)
