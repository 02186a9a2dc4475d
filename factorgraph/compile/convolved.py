"""Where all of a quadratic energy is behind one convolution: found in the graph, and handed over as kernels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import log2, prod
from typing import TYPE_CHECKING

from factorgraph.compile.dependence import Dependence, Kind, moving_in, origin
from factorgraph.compile.plan import Term
from factorgraph.compile.squares import curvature
from factorgraph.graph.model import Application, Constant, FactorNode, Graph, Id, Operation
from factorgraph.inference.convolved import Convolved
from factorgraph.lazy import torch
from factorgraph.structure import Convolving, Linear, Selection, Square

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.compile.problems import Block
    from factorgraph.compile.program import Assignment, Tensors

TRANSFORMED = 2.0  # numbers of a kernel that the logarithm of a picture's pixels is worth: 4x4 take equally long, 9x9 a third


@dataclass(frozen=True)
class Drawn:
    """The convolution's square, and the others, which compare the variable itself or have no Hessian."""

    factor: FactorNode
    way: Way
    others: tuple[FactorNode, ...]


@dataclass(frozen=True)
class Way:
    """From a value in to the convolution of the variable: a number times selections of a picture, and what stands still."""

    picture: Application
    selections: tuple[Application, ...]  # of the picture, from the value inwards
    scale: float


def drawn_in(graph: Graph, terms: tuple[Term, ...], known: Mapping[Id, Dependence]) -> Drawn | None:
    """How the smooth terms are a convolution's, if they are."""
    found: list[tuple[FactorNode, Way]] = []
    others: list[FactorNode] = []
    for term in terms:
        factor = graph.factors[term.factor]
        if term.part != "smooth":
            continue
        moving = moving_in(factor, known)
        if factor.leaf.keeps(Linear, moving):
            others.append(factor)
        elif not factor.leaf.keeps(Square, moving) or len(moving) > 1 or term.own:
            return None
        elif known[factor.arguments[next(iter(moving))]].kind is Kind.ITSELF:
            others.append(factor)
        elif (way := _way(graph, factor.arguments[next(iter(moving))], known)) is not None:
            found.append((factor, way))
        else:
            return None
    return Drawn(*found[0], tuple(others)) if len(found) == 1 else None


def _way(graph: Graph, key: Id, known: Mapping[Id, Dependence]) -> Way | None:
    """The convolution of the variable behind a value."""
    selections: list[Application] = []
    scale = 1.0
    while True:
        value = graph.values[origin(graph, key)]
        if isinstance(value, Operation):
            (key, factor) = _scaled(graph, value, known) or ("", 0.0)
            scale *= factor
            if not scale:
                return None
            continue
        if not isinstance(value, Application) or value.output is not None or len(value.arguments) > 1:
            return None
        leaf = graph.functions[value.function].leaf
        if leaf.keeps(Convolving) and value.method in ("forward", "transpose"):
            return Way(value, tuple(selections), scale) if known[value.arguments[0]].kind is Kind.ITSELF else None
        if not leaf.keeps(Selection) or value.method != "forward":
            return None
        selections.append(value)
        key = value.arguments[0]


def _scaled(graph: Graph, value: Operation, known: Mapping[Id, Dependence]) -> tuple[Id, float] | None:
    """The one part that moves of ``-a``, ``a + b``, ``a - b`` or ``0.5 * a``, and what it is multiplied by."""
    moving = [place for place, each in enumerate(value.arguments) if known[each].kind is not Kind.CONSTANT]
    if len(moving) > 1 or value.operator not in ("+", "-", "*", "negate"):
        return None
    (place,) = moving
    key = value.arguments[place]
    if graph.values[key].shape != value.shape:
        return None
    if value.operator == "*":
        number = graph.values[value.arguments[1 - place]]
        return (key, number.value) if isinstance(number, Constant) else None
    return key, -1.0 if value.operator == "negate" or (value.operator == "-" and place == 1) else 1.0


def is_quick(graph: Graph, terms: tuple[Term, ...], known: Mapping[Id, Dependence]) -> bool:
    """Whether transforms cost less than sums over kernels: those grow with a kernel, these with the logarithm of a picture."""
    drawn = drawn_in(graph, terms, known)
    if drawn is None:
        return False
    numbers = prod(graph.functions[drawn.way.picture.function].parameters["matrix"].shape[2:])
    return numbers >= TRANSFORMED * log2(prod(drawn.way.picture.shape[-2:]))


def convolved_form(block: Block, start: Tensor, still: Assignment, tensors: Tensors) -> Convolved:
    """What a solver sees of it. ``still``: what stands still beside the block, (batch, *shape) each or ().

    It makes nothing as large as the code, unless terms that compare the code itself do.
    """
    graph = block.program.graph
    drawn = drawn_in(graph, block.plan.terms, block.dependences)
    assert drawn is not None, "the planner gives this kernel to convolutions alone"
    leaf = graph.functions[drawn.way.picture.function].leaf
    assert isinstance(leaf, Convolving), "the way ends at one"
    kernels, cut = leaf.drawn(tensors.get(f"functions.{drawn.way.picture.function}", {}), drawn.way.picture.method)
    kernels = kernels.detach()
    still = {**still, drawn.way.picture.id: _undrawn(graph, drawn, tensors, start)}
    lacking = _lacking(block, drawn, still, tensors, start)
    sides = (len(kernels), *drawn.way.picture.shape[-2:])
    own = [each for each in drawn.others if each.leaf.keeps(Square, moving_in(each, block.dependences))]
    others = [each.id for each in drawn.others]
    zero = start.new_zeros(())
    blank = zero.expand_as(start)
    curved = zero + drawn.way.scale**2 * curvature(block, drawn.factor, tensors)
    constant = block.smooth_of(still, tensors, others)(blank)
    if not block.squares:  # else there is no number beside them, and none from rounding either
        paid = block.smooth_of(still, tensors, [drawn.factor.id])(blank)
        constant = constant + paid - curved / 2 * lacking.flatten(1).square().sum(1)
    rows, columns = graph.values[drawn.way.picture.arguments[0]].shape[-2:]
    return Convolved(
        kernels=kernels,
        cut=cut,
        shape=(kernels.shape[1], rows, columns),
        mask=_behind(graph, drawn, torch.ones_like(lacking[:1]), tensors).reshape(1, *sides),
        target=_behind(graph, drawn, lacking, tensors).reshape(len(start), *sides),
        curvature=curved,
        own=zero + sum(curvature(block, each, tensors) for each in own),
        linear=block.slope_at_zero(others, start, still, tensors),
        constant=constant.detach(),
    )


def pictured(block: Block, drawn: Drawn, framed: Tensor, cut: int, tensors: Tensors) -> Tensor:
    """The value of the picture, (batch, *shape), from what kernels draw on all that they reach."""
    height, width = drawn.way.picture.shape[-2:]
    rows, columns = framed.shape[-2:]
    beyond = (0, max(0, cut + width - columns), 0, max(0, cut + height - rows))
    seen = torch.nn.functional.pad(framed, beyond)[..., cut : cut + height, cut : cut + width]
    return seen.reshape(len(framed), *drawn.way.picture.shape) + _undrawn(block.program.graph, drawn, tensors, framed)


def _undrawn(graph: Graph, drawn: Drawn, tensors: Tensors, like: Tensor) -> Tensor:
    """(batch, *shape): the picture of a code of zeros, which is one number a colour: seen where a kernel lies on nothing else."""
    value, shape = drawn.way.picture, drawn.way.picture.shape
    node = graph.functions[value.function]
    if value.method == "transpose":
        return like.new_zeros(()).expand(len(like), *shape)
    side = node.parameters["matrix"].shape[-1]
    given = (*graph.values[value.arguments[0]].shape[:-2], side, side)
    flat: Tensor = node.leaf.forward(like.new_zeros(1, *given), tensors.get(f"functions.{node.id}", {}))[..., :1, :1]
    return flat.detach().expand(len(like), *flat.shape[1:-2], *shape[-2:]).reshape(len(like), *shape)


def _lacking(block: Block, drawn: Drawn, still: Assignment, tensors: Tensors, start: Tensor) -> Tensor:
    """(batch, *shape): what the picture is compared with, less what is there of a code of zeros, where it is not scaled."""
    given = {**block.split(start.new_zeros(()).expand_as(start)), **still}
    compared = drawn.factor.arguments
    known = block.program.values(compared, given, tensors)
    (position,) = moving_in(drawn.factor, block.dependences)
    others = [known[each] for each in compared[:position] + compared[position + 1 :]]
    lacking = -known[compared[position]]
    return (lacking + others[0] if others else lacking) / drawn.way.scale


def _behind(graph: Graph, drawn: Drawn, x: Tensor, tensors: Tensors) -> Tensor:
    """What is compared, at its place in the picture, and 0 where nothing is."""
    for each in drawn.way.selections:
        leaf = graph.functions[each.function].leaf
        assert isinstance(leaf, Selection), "between the factor and the picture stands nothing else"
        given = graph.values[each.arguments[0]].shape
        x = leaf.transpose(x, tensors.get(f"functions.{each.function}", {}), given).reshape(len(x), *given)
    return x.detach()
