"""Phases whose optimizer is told more than gradients: what a function reads, or how much the energy is curved."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from factorgraph.compile.phases import declared, loss_factors, owner_of
from factorgraph.graph.model import Application, Graph, Id
from factorgraph.leaving import updates
from factorgraph.leaving.recorded import number
from factorgraph.leaving.written import Written, refused
from factorgraph.structure import Placed, Smooth, Square
from factorgraph.training.sides import FIRST_DRAWS, Stretch

if TYPE_CHECKING:
    from factorgraph.compile.plan import Closed

OTHER = "--set learning.{}.optimizer=adam"


def parameters(written: Written, addresses: Sequence[str]) -> list[str]:
    """Parameters as a loop writes them, ``model.decoder_matrix``."""
    owners = [(owner_of(each), each) for each in addresses]
    return [written.attribute(owner, each.removeprefix(f"{owner}.")).replace("self.", "model.") for owner, each in owners]


# --- by columns


def read(written: Written, stretch: Stretch, known: Mapping[Id, str]) -> tuple[list[str], str]:
    """Statements, and what the function reads at all places that the energy sees, (places, units)."""
    closed, path, graph = _alone(stretch), ("learning", stretch.name, "optimizer"), stretch.view.graph
    node, (term,) = graph.functions[closed.function], closed.terms
    if "bias" in node.parameters or graph.factors[term.factor].parameters:
        what = f'phase "{stretch.id}" sets a bias, or is behind a factor that learns'
        raise refused(what, path, OTHER.format(stretch.name))
    statements, found = written.values(graph, [term.input], known, "model")
    shape, leaf = graph.values[term.input].shape, node.leaf
    assert isinstance(leaf, Placed), "the planner moves columns of such functions alone"
    name = written.names(("read", node.id, shape), f"{node.id}_reads")
    if name not in written.methods:
        x = torch.rand(written.batch, *shape)
        text = written.record({"x": x}, "len(x)", lambda: leaf.read(x, written.tensors[f"functions.{node.id}"]))
        told = f"(batch, {', '.join(map(str, shape))}) -> (batch, places, units): what its matrix is multiplied by."
        written.methods[name] = written.method(name, ["x"], "Tensor", told, text, [])
    lines = [*statements, f"read = model.{name}({found[term.input]})"]
    if not term.selections:
        return lines, "read.flatten(0, 1)"
    seen = f"torch.ones(1, {', '.join(map(str, graph.values[term.selections[0]].shape))})"
    for key in term.selections:
        value = graph.values[key]
        assert isinstance(value, Application), "selections are applied"
        seen = f"model.{written.adjoint(graph, value)}({seen})"
    return [*lines, f"seen = {seen}.reshape(-1, read.shape[1])[0] > 0"], "read[:, seen].flatten(0, 1)"


def by_columns(written: Written, stretch: Stretch, loss: str, curvature: float) -> tuple[list[str], bool, list[str]]:
    """A loop that moves each column once at each step, by sums that fade: statements before it and in it, which count steps."""
    closed, optimizer = _alone(stretch), stretch.phase.optimizer
    leaf = stretch.view.graph.functions[closed.function].leaf
    assert isinstance(leaf, Placed), "the planner moves columns of such functions alone"
    least, largest = leaf.column_norms() or (0.0, None)
    (matrix,) = parameters(written, stretch.plans[0].parameters)
    move = written.sources.take(updates.moved_columns)
    limits = f"{least!r}, {'math.inf' if largest is None else repr(largest)}"
    kept = f"(1 - 1 / (step + 1)) ** {getattr(optimizer, 'forgetting', 0.0)!r}"
    lines = [
        loss,
        f"slope = torch.autograd.grad(loss, {matrix})[0]",
        "with torch.no_grad():",
        f"    kept, seen = {kept}, read.detach().double()",
        f"    moment = {'' if curvature == 1 else f'{ast.unparse(number(curvature))} * '}seen.T @ seen",
        "    gram = kept * gram + moment",
        f"    products = kept * products + {matrix}.double().flatten(1) @ moment - len(rows) * slope.double().flatten(1)",
        f"    {matrix}.copy_({move}({matrix}, gram, products, {limits}))",
    ]
    return ["gram = products = 0"], True, lines


def _alone(stretch: Stretch) -> Closed:
    """The one function that is set."""
    (plan,) = stretch.plans
    if len(plan.closed) > 1 or len(plan.closed[0].terms) > 1:
        what = f'phase "{stretch.id}" sets several matrices at once, or one behind several factors'
        raise refused(what, ("learning", stretch.name, "optimizer"), OTHER.format(stretch.name))
    return plan.closed[0]


# --- by curvature


def residuals(written: Written, stretch: Stretch, known: Mapping[Id, str]) -> str:
    """Half of whose squares is the energy, as far as parameters move it: a list of them."""
    graph, phase, shown = stretch.view.graph, stretch.phase, list[str]()
    counts: dict[str, float] = {}
    for term in phase.loss.values():
        for key in loss_factors(graph, phase, term):
            counts[key] = counts.get(key, 0.0) + term.weight
    for key, times in counts.items():
        node = graph.factors[key]
        moving = [at for at, each in enumerate(node.arguments) if _moves(graph, each, stretch.trained)]
        leaf = node.leaf
        if not moving or not isinstance(leaf, Smooth) or not leaf.keeps(Smooth, frozenset(moving)):
            continue
        if node.parameters:
            what = f'factor "{node.name}" learns how much it is curved'
            raise refused(what, node.written.path, OTHER.format(stretch.name))
        parts = [known[each] for each in node.arguments]
        is_difference = isinstance(leaf, Square) and len(parts) == 2
        curvature = float(leaf.curvature({}) * node.weight * times)
        scale = "" if curvature == 1 else f"{ast.unparse(number(curvature))} ** 0.5 * "
        for each in [f"({' - '.join(parts)})" if scale else " - ".join(parts)] if is_difference else [parts[at] for at in moving]:
            shown.append(f"{scale}{each}")
    return f"[{', '.join(shown)}]"


def by_curvature(written: Written, stretch: Stretch, loss: str, share: str) -> tuple[list[str], bool, list[str]]:
    """A loop that divides each gradient by the running mean of its parameter's curvature: before it and in it, as above."""
    phase, (plan,) = stretch.phase, stretch.plans
    rates = {declared(stretch.view.graph, address).rate for address in plan.parameters}
    searched = [key for key in stretch.procedures if stretch.view.inferences[key].plan.method != "argmin"]
    if rates != {1.0} or searched:
        what = f'phase "{stretch.id}" goes by curvature, with rates of its own or codes that move with what learns'
        raise refused(what, ("learning", stretch.name, "optimizer"), OTHER.format(stretch.name))
    options: Any = phase.optimizer
    rate = f"{phase.learning_rate!r} * ({share})" if share else repr(phase.learning_rate)
    curved = written.sources.take(updates.curvatures)
    begin = [
        f"parameters = [{', '.join(parameters(written, plan.parameters))}]",
        "means = [torch.zeros_like(each) for each in parameters]",
    ]
    lines = [
        loss,
        f"found = {curved}(residuals, parameters, 1 if step else {FIRST_DRAWS})",
        "slopes = torch.autograd.grad(loss, parameters)",
        "with torch.no_grad():",
        "    for parameter, slope, mean, curved in zip(parameters, slopes, means, found, strict=True):",
        f"        mean.mul_({options.decay!r}).add_(curved, alpha=1 - {options.decay!r})",
        f"        parameter.sub_({rate} * slope / (mean / (1 - {options.decay!r} ** (step + 1)) + {options.damping!r}))",
    ]
    return begin, True, lines


def _moves(graph: Graph, key: Id, trained: frozenset[str]) -> bool:
    """Whether a value is computed by what learns."""
    values = (graph.values[each] for each in graph.ancestors(key))
    return any(isinstance(each, Application) and f"functions.{each.function}" in trained for each in values)
