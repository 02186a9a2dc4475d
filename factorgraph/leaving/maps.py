"""A search for maps whose kernels draw a picture, as statements: what a solver needs that goes frequency by frequency."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from factorgraph.compile.convolved import Drawn, drawn_in
from factorgraph.compile.dependence import moving_in
from factorgraph.graph.model import FactorNode
from factorgraph.leaving import blocks, reference
from factorgraph.leaving.recorded import number
from factorgraph.leaving.written import refused
from factorgraph.structure import Convolving, Square

if TYPE_CHECKING:
    from factorgraph.leaving.searches import Search


def drawn(search: Search) -> tuple[list[str], str]:
    """Statements, and what a solver takes: maps, kernels, what these are to draw, and the energy beside that of the picture."""
    written, graph, block = search.written, search.graph, search.inference.block
    found = drawn_in(graph, block.plan.terms, block.dependences)
    assert found is not None, "the planner gives this kernel to convolutions alone"
    (variable,) = block.variables
    shape = (1,) * (3 - len(variable.shape)) + variable.shape
    squares = [each for each in found.others if each.leaf.keeps(Square, moving_in(each, block.dependences))]
    curvature, own = _curvature(found.factor) * found.way.scale**2, sum(map(_curvature, squares), 0.0)
    kernels, cut, crowding = _kernels(search, found)
    price = written.sources.take(reference.price_of_distance)
    lines = [
        *_target(search, found),
        f"kernels = {kernels}",
        f"price = {price}({_product(curvature, 'kernels.square().sum((0, 2, 3))')}{f' + {own!r}' if own else ''}){crowding}",
    ]
    linear = "torch.zeros_like(start)"
    if found.others:
        lines.append(
            blocks.smooth(written, graph, block, search.names, search.owner, "beside", [each.id for each in found.others])
        )
        beside = ", ".join(["beside", linear, *blocks.parameters(lines[-1])[1:]])
        linear = f"{written.sources.take(reference.slope)}({beside})"
    return lines, f"{shape}, (kernels, {cut}), target, seen, {curvature!r}, {own!r}, {linear}"


def _target(search: Search, found: Drawn) -> list[str]:
    """What the kernels are to draw, and which of it is compared: 0 where a selection leaves it out."""
    graph, (variable,) = search.graph, search.inference.block.variables
    shape = ", ".join(map(str, variable.shape))
    (at,) = moving_in(found.factor, search.inference.block.dependences)
    read = found.factor.arguments
    known = {**search.names, variable.id: "nothing"}
    statements, texts = search.written.values(graph, read, known, search.owner)
    wanted = [texts[each] for each in (*read[:at], *read[at + 1 :])] or ["0"]
    lacking = f"{wanted[0]} - {texts[read[at]]}"
    target, seen = "lacking", "torch.ones_like(lacking[:1])"
    for each in found.way.selections:
        back = f"{search.owner}.{search.written.adjoint(graph, each)}"
        target, seen = f"{back}({target})", f"{back}({seen})"
    return [
        f"nothing = torch.zeros_like(start).reshape(len(start), {shape})",
        *statements,
        f"lacking = {lacking if found.way.scale == 1 else f'({lacking}) / {found.way.scale!r}'}",
        f"target, seen = {target}, {seen}",
    ]


def _kernels(search: Search, found: Drawn) -> tuple[str, int, str]:
    """A call of the method that gives what each map draws, how much of it is cut off, and what the price is multiplied by."""
    written, node, method = search.written, search.graph.functions[found.way.picture.function], found.way.picture.method
    leaf, owner = node.leaf, f"functions.{node.id}"
    assert isinstance(leaf, Convolving), "the way ends at one"
    tensors = written.tensors.get(owner, {})
    kernels, cut = leaf.drawn(tensors, method)
    crowding = max(kernels.shape[1] / len(kernels), 1.0)  # as ``Convolved`` has it

    def run() -> Tensor:
        return leaf.drawn(tensors, method)[0]

    name = written.names(("kernels", node.id, method), f"{node.id}_kernels")
    text = written.record(written.given(owner), "0", run)
    told = "(colours, maps, side, side): what a unit of each map draws."
    written.methods.setdefault(name, written.method(name, [], "Tensor", told, text, []))
    return f"{search.owner}.{name}().detach()", cut, "" if crowding == 1 else f" * {crowding!r} ** 0.5"


def _curvature(factor: FactorNode) -> float:
    """Of a square, with its weight."""
    if factor.parameters or factor.target is not None:
        what = f'factor "{factor.name}" learns how much it is curved, which plain code of a search by frequencies does not follow'
        raise refused(what, factor.written.path, "solver: fista")
    return float(torch.as_tensor(factor.weight * factor.leaf.curvature({})))  # type: ignore[attr-defined]


def _product(factor: float, text: str) -> str:
    return text if factor == 1 else f"{ast.unparse(number(factor))} * {text}"
