"""Sums over data for what is set at once: what functions read, and what factors ask of rows to estimate their parameters.

Where codes were summed out, a sample stands there once for each of them, as much as it is likely.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from factorgraph.compile.lacking import counted
from factorgraph.factors._sums import flat
from factorgraph.graph.model import Application, Graph, Id
from factorgraph.structure import Dispersed, Estimated, Placed, Selection, Square

if TYPE_CHECKING:
    from factorgraph.compile.plan import Closed, ClosedTerm, Estimate
    from factorgraph.training.objective import Batch, View
    from factorgraph.training.optimizers._sums import Read

Moved = tuple[Tensor, Tensor]  # by how much a matrix moved, with its bias as a last column, and the Gram matrix of what it read


def points(batch: Batch, factor: str, wanted: Sequence[Id]) -> Iterator[tuple[dict[Id, Tensor], Tensor]]:
    """Values as a factor sees them, some at a time, (n, *shape) each, and how much each row counts, (n,): in all its share."""
    known, graph = batch.inferred(), batch.view.graph
    share = counted(graph, {factor: batch.zero().new_ones(batch.size)}, batch.present, learning=True)[factor]
    sums = [each.summed for key in batch.procedures if (each := batch.found[key]).summed is not None]
    own = next((each for each in sums if factor in each.sum.touched), None)
    if own is None:
        yield batch.values(tuple(wanted), known), share
        return
    for block, chance in own.points():
        several = batch.size // own.rows  # where no sample changes it, there is one row for all
        many = len(chance) // own.rows
        beside = {key: each.repeat_interleave(many, 0) for key, each in known.items() if key not in block}
        here = {key: each.repeat(several, *[1] * (each.dim() - 1)) for key, each in block.items()}
        weight = share.repeat_interleave(many) * chance.repeat(several)
        yield batch.values(tuple(wanted), {**beside, **here}), weight


def inputs(batch: Batch, closed: Closed) -> list[Read]:
    """What a function reads at all of its places, how much the energy is curved there, and what it is compared with."""
    graph, tensors = batch.view.graph, batch.view.model.tensors()
    found = []
    for each in closed.terms:
        function = graph.functions[closed.function].leaf
        assert isinstance(function, Placed), "the planner solves for such functions alone"
        curvature = _curvature(batch, closed, each)
        for known, rows in points(batch, each.factor, [each.input, each.beside] if closed.told else [each.input]):
            seen = function.read(known[each.input].detach(), tensors[f"functions.{closed.function}"])
            if each.selections:
                seen = seen[:, _selected(graph, each, seen.shape[1]).to(seen.device)]
            weight = rows * (each.weight * curvature)
            beside = flat(known[each.beside].detach()) if closed.told else None
            found.append((seen.flatten(0, 1), weight.repeat_interleave(seen.shape[1]), beside))
    return found


def _curvature(batch: Batch, closed: Closed, term: ClosedTerm) -> Tensor | float:
    if closed.metric:
        return 1.0
    leaf = batch.view.graph.factors[term.factor].leaf
    assert isinstance(leaf, Square), "the planner solves only behind squares, and what is measured by a precision"
    return leaf.curvature(batch.view.model.tensors().get(f"factors.{term.factor}", {}))


def slope(batch: Batch, closed: Closed, parameters: Sequence[Tensor]) -> None:
    """Give the parameters of a function the gradient of half the mean squared length of what its factor compares."""
    graph, ((term,), leaf) = batch.view.graph, (closed.terms, batch.view.graph.functions[closed.function].leaf)
    factor, tensors = graph.factors[term.factor], batch.view.model.tensors()[f"functions.{closed.function}"]
    assert isinstance(factor.leaf, Dispersed) and isinstance(leaf, Placed), "the planner solves for such alone"
    totals = [torch.zeros_like(each, dtype=torch.float64) for each in parameters]
    for known, rows in points(batch, factor.id, [term.input, *factor.arguments]):
        pull = factor.leaf.difference(*(known[each] for each in factor.arguments)).double()
        pull = pull * (rows * (term.weight / term.number)).double()[:, None]
        totals[0] += pull.T @ leaf.read(known[term.input], tensors)[:, 0].double()
        if len(totals) > 1:
            totals[1] += pull.sum(0)
    for parameter, total in zip(parameters, totals, strict=True):
        parameter.grad = (total / batch.size).to(parameter.dtype)


def _selected(graph: Graph, term: ClosedTerm, places: int) -> Tensor:
    """Which places of a function a term's selections leave. It is found on the processor, where nothing waits for its number."""
    kept = torch.ones(1, *graph.values[term.selections[0]].shape)
    for key in term.selections:
        value = graph.values[key]
        selection = graph.functions[value.function].leaf if isinstance(value, Application) else None
        assert isinstance(selection, Selection), "the planner lets selections pass alone"
        kept = selection.transpose(kept, {}, graph.values[value.arguments[0]].shape)
    return kept.reshape(-1, places)[0].nonzero()[:, 0]  # all maps of a result are selected alike


class Estimates:
    """The factors whose parameters a side sets, with what a pass through the data has told of them so far."""

    def __init__(self, planned: Sequence[Estimate], view: View):
        self.planned, self.view = planned, view
        self.sums: dict[str, dict[str, Tensor]] = {}  # by factor, in double precision

    @property
    def device(self) -> torch.device:
        return next(self.view.model.parameters()).device

    def gather(self, batch: Batch) -> None:
        """Add what a batch tells."""
        for each in self.planned:
            leaf, arguments = self._leaf(each.factor), self.view.graph.factors[each.factor].arguments
            total = self.sums.setdefault(each.factor, {})
            for known, rows in points(batch, each.factor, arguments):
                for name, part in leaf.statistics(*(known[key] for key in arguments), weight=each.weight * rows).items():
                    total[name] = total[name] + part if name in total else part

    def set(self, moved: Mapping[str, Moved]) -> None:
        """Give the factors the parameters of least energy, and begin a new pass. ``moved``: functions that went to theirs."""
        for each in self.planned:
            parameters = self.view.model.tensors()[f"factors.{each.factor}"]
            explained = self._explained(each.factor, *moved[each.function]) if each.function in moved else 0.0
            found = self._leaf(each.factor).estimate(self.sums.pop(each.factor), parameters, explained)
            for name, value in found.items():
                parameters[name].copy_(value)

    def _leaf(self, factor: str) -> Estimated:
        leaf = self.view.graph.factors[factor].leaf
        assert isinstance(leaf, Estimated), "the planner estimates such factors alone"
        return leaf

    def _explained(self, factor: str, change: Tensor, gram: Tensor) -> Tensor:
        """(units, units), or for each choice: what the move of a function took off the products of a difference's units."""
        node = self.view.graph.factors[factor]
        if all(node.leaf.domain(place) == "real" for place in range(len(node.arguments))):
            return change @ gram @ change.T
        choices = math.prod(self.view.graph.values[node.arguments[-1]].shape)  # the function reads them
        means = change[:, :choices] + change[:, choices:].sum(1, keepdim=True)
        return torch.einsum("ik,jk,k->kij", means, means, gram.diagonal()[:choices])
