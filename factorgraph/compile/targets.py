"""Weights that are tuned: which search tells what they come to, and the smallest weight at which a code is all zeros."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from factorgraph.compile.dependence import origin
from factorgraph.compile.naming import named_procedures
from factorgraph.compile.plan import ProcedurePlan
from factorgraph.errors import Issue, issue
from factorgraph.graph.model import WEIGHT, Graph
from factorgraph.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.compile.procedures import Inference
    from factorgraph.compile.program import Assignment, Tensors

ROUNDING = 16  # units of least precision: what a gradient at zeros may be off by


def tuned_by(graph: Graph, procedures: Mapping[str, ProcedurePlan], among: Collection[str] | None = None) -> dict[str, str]:
    """Each factor whose weight is tuned -> the first procedure that searches what it makes sparse. ``among``: only of these."""
    searching = {key for key, named in named_procedures(graph).items() if named.method.searches and not named.method.sums}
    found: dict[str, str] = {}
    for key, plan in procedures.items():
        if key in searching and (among is None or key in among):
            for term in plan.terms:
                if graph.factors[term.factor].target is not None and term.part == "rest" and term.magnitude:
                    found.setdefault(term.factor, key)
    return found


def check_targets(graph: Graph, procedures: Mapping[str, ProcedurePlan], base: Graph) -> Iterator[Issue]:
    """FG551 and FG552: weights that nothing can tune. ``base``: the graph of the spec itself, if this one is a phase's."""
    known = tuned_by(graph, procedures)
    for key, factor in graph.factors.items():
        if factor.target is None:
            continue
        path = ("factors", factor.name, "weight")
        if base.factors[key].target is None:
            what = f'a phase tunes the weight of "{factor.name}", which the spec gives a number'
            yield issue("FG552", what, path, fix="put the target into the factor itself; a phase may then set a number")
        elif key not in known:
            what = f'nothing tunes the weight of "{factor.name}": no argmin has it as magnitudes of a latent variable'
            fix = "tune the weight of an l1 of a latent variable that a procedure with method argmin infers, or give a number"
            yield issue("FG551", what, path, fix=fix)


def largest_weight(inference: Inference, factor: str, given: Assignment, tensors: Tensors) -> Tensor:
    """(batch,): of each row, the smallest weight of a sum of magnitudes at which no unit is active.

    A unit stays at zero while the energy pulls it no harder there than its magnitude costs: ``max |Wd'Y|`` for a dictionary and
    half a square, twice that for a square. What other magnitudes cost the same units is taken off; the rest is rounded up.
    """
    block = inference.block
    graph = block.program.graph
    like = next(iter(given.values()))
    start = like.new_zeros(like.shape[0], sum(block.sizes))
    problem = block.problem(start, given, tensors)
    variable = graph.variables[origin(graph, graph.factors[factor].arguments[0])]
    slope = problem.gradient(start)
    pull = -slope if variable.domain == "nonnegative" else slope.abs()
    if problem.rest is not None and problem.rest.l1 is not None:
        pull = pull - (problem.rest.l1 - tensors[f"factors.{factor}"][WEIGHT])
    largest = block.split(pull)[variable.id].flatten(1).amax(1).clamp_min(0)
    return largest * (1 + ROUNDING * torch.finfo(largest.dtype).eps)
