"""Which searches can go tile by tile, and how one is handed over: nothing is made of it that is as large as the code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, prod, sqrt
from typing import TYPE_CHECKING

from factorgraph import registry
from factorgraph.compile.convolved import convolved_form, drawn_in, pictured
from factorgraph.compile.problems import Block
from factorgraph.compile.program import Assignment, Tensors
from factorgraph.graph.model import Id
from factorgraph.inference.problem import Minimum
from factorgraph.inference.tiled import Tell, Tiled, quiet
from factorgraph.structure import Solver

if TYPE_CHECKING:
    from torch import Tensor

AT_ONCE = 2**22  # units that are searched together: about a dozen numbers are held for each, 200 MB in single precision
NARROWEST = 4  # kernels: in narrower tiles most units lie at a border, and sweeps are many


@dataclass(frozen=True)
class Tiling:
    """The side of a search's tiles, and who is told of its sweeps."""

    side: int
    tell: Tell = quiet


def untileable(block: Block) -> str:
    """Why a search cannot go tile by tile, in words; empty where it can."""
    plan, graph = block.plan, block.program.graph
    if plan.solver is None:
        return f'"{plan.id}" searches for nothing'
    if len(block.variables) > 1:
        return f"{', '.join(plan.block)} are minimised together, and tiles are those of one variable"
    if drawn_in(graph, plan.terms, block.dependences) is None:
        return f"the smooth part of {plan.block[0]}'s energy is not one square behind one convolution of stride 1"
    if other := next((each.factor for each in block.rest if not each.magnitude), None):
        return f"{other} is not a sum of magnitudes of units, and would tie tiles together"
    if plan.domain not in ("real", "nonnegative"):
        return f"{plan.block[0]} is {plan.domain}"
    return ""


def side_for(block: Block) -> int:
    """The side of square tiles of as many units as are searched at once; 0 where all of them are."""
    if block.plan.units <= AT_ONCE or untileable(block):
        return 0
    return max(narrowest(block), int(sqrt(AT_ONCE / prod(block.variables[0].shape[:-2]))))


def narrowest(block: Block) -> int:
    """The least side of tiles."""
    drawn = drawn_in(block.program.graph, block.plan.terms, block.dependences)
    assert drawn is not None, "asked of a search that can go tile by tile"
    matrix = block.program.graph.functions[drawn.way.picture.function].parameters["matrix"]
    return NARROWEST * matrix.shape[-1]


def count(block: Block, side: int) -> int:
    """How many tiles there are."""
    return prod(ceil(each / side) for each in block.variables[0].shape[-2:])


def search(
    block: Block, start: Tensor, given: Assignment, tensors: Tensors, tiling: Tiling, steps: int, tolerance: float
) -> tuple[Minimum, Mapping[Id, Tensor]]:
    """The minimum, found tile by tile and written over ``start``, and the picture that it draws, by the id of its value.

    Tiles are searched by ``fista``: a visit begins where the last one ended, and of the solvers that can do it profits most.
    """
    solver = registry.leaves("solvers")["fista"](type="fista")
    assert isinstance(solver, Solver), "the family holds solvers"
    still = {key: each.detach() for key, each in block.beside(start, given, tensors).items()}
    form, bound = convolved_form(block, start, still, tensors), block.bound(tensors, start)
    assert bound is not None, "a square behind a convolution has a bound"
    drawn = drawn_in(block.program.graph, block.plan.terms, block.dependences)
    assert drawn is not None, "the search can go tile by tile"
    weight = start.new_zeros(())
    for share in block.shares(still, tensors):
        weight = weight + share.weight
    nonnegative = block.variables[0].domain == "nonnegative"
    tiles = Tiled(form, weight, nonnegative, block.squares, bound, tiling.side)
    found, picture = tiles.minimise(solver, start, steps, tolerance, tiling.tell)
    return found, {drawn.way.picture.id: pictured(block, drawn, picture, form.cut, tensors)}
