"""The matrices of solvers that are parameters: what is declared of them, and how they stay on their constraints."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING

from factorgraph.compile.dependence import Dependence, dependences
from factorgraph.compile.naming import named_procedures, reads
from factorgraph.compile.network import GROUP_THRESHOLD, LENGTHS, group_shapes, has_bias, inputs, shrinks_units
from factorgraph.compile.plan import Term
from factorgraph.compile.planner import Named
from factorgraph.compile.problems import still_ids
from factorgraph.compile.terms import terms_of
from factorgraph.factors.functions._affine import COLUMNS, ROWS, bound_
from factorgraph.graph.model import Graph, Id
from factorgraph.inference.methods._matrix import Layered, Matrix, Name
from factorgraph.inference.methods._method import Method
from factorgraph.inference.solvers._unrolled import Unrollable
from factorgraph.lazy import torch
from factorgraph.structure import Parameter, Parameters, Shape

if TYPE_CHECKING:
    from torch import Tensor

TAKEN = "taken"  # a number that is not 0 once the matrices are parameters of their own


def freed(graph: Graph) -> dict[str, dict[str, Parameter]]:
    """The parameters of every procedure that has some, by owner ``inference.NAME`` and local name."""
    found = {}
    for key, named in named_procedures(graph).items():
        if isinstance(named.method, Layered) and named.method.free:
            found[f"inference.{key}"] = _parameters(graph, named, named.method)
    return found


def smooth_part(graph: Graph, named: Named) -> tuple[Mapping[Id, Dependence], tuple[str, ...]]:
    """How values move with a procedure's block, and the ids of the factors in the smooth part of its energy."""
    known, terms = _seen(graph, named)
    return known, _smooth(terms)


def _seen(graph: Graph, named: Named) -> tuple[Mapping[Id, Dependence], tuple[Term, ...]]:
    known = dependences(graph, frozenset(each.id for each in named.block))
    return known, terms_of(graph, named.factors, known, named.block)


def _smooth(terms: tuple[Term, ...]) -> tuple[str, ...]:
    return tuple(each.factor for each in terms if each.part == "smooth")


def _parameters(graph: Graph, named: Named, method: Layered) -> dict[str, Parameter]:
    units = sum(prod(each.shape) for each in named.block)
    copies = (method.steps,) if method.share == "none" else ()
    found: dict[str, Parameter] = {
        name: Parameter((*copies, *shape), "constant", 0.0, method.free[matrix].rate)
        for matrix, shapes in _shapes(graph, named, units).items()
        if matrix in method.free
        for name, shape in shapes.items()
    }
    if isinstance(solver := getattr(method, "solver", None), Unrollable) and solver.compares:
        found[LENGTHS] = Parameter((units,), "constant", 1.0, kept=True)
    return {**found, TAKEN: Parameter((), "constant", 0.0, kept=True)}


def _shapes(graph: Graph, named: Named, units: int) -> Mapping[Name, Mapping[str, Shape]]:
    """What each matrix that may be freed consists of, by the names of its parameters."""
    known, terms = _seen(graph, named)
    smooth, groups = _smooth(terms), group_shapes(graph, known, terms)
    read = sum(prod(graph.values[key].shape) for key in inputs(graph, known, smooth))
    filter_: dict[str, Shape] = {"filter": (units, read)}
    threshold: dict[str, Shape] = {"threshold": (units,)} if shrinks_units(graph, known, terms) else {}
    if has_bias(graph, known, smooth):
        filter_["bias"] = (units,)
    if groups:
        threshold[GROUP_THRESHOLD] = (sum(prod(each) for each in groups.values()),)
    return {"filter": filter_, "inhibition": {"inhibition": (units, units)}, "threshold": threshold}


def reads_through(graph: Graph, named: Named, own: bool) -> set[Id]:
    """The values through which a gradient goes on from the steps of a procedure. ``own``: its freed matrices are parameters."""
    known, smooth = smooth_part(graph, named)
    ids = set(still_ids(graph, known, named.factors)) | set(reads(graph, named).get("start", {}).values())
    if _needs_energy(named, own):
        ids |= {each for key in smooth for each in graph.factors[key].arguments}
    return ids


def made_of(graph: Graph, named: Named, own: bool) -> set[str]:
    """Owners of the factors' parameters that its matrices are made of."""
    return {f"factors.{key}" for key in smooth_part(graph, named)[1]} if _needs_energy(named, own) else set()


def _needs_energy(named: Named, own: bool) -> bool:
    assert isinstance(named.method, Layered), "asked only of what has steps"
    return not (own and {"filter", "inhibition"} <= named.method.free.keys())


def constrain(method: Method, parameters: Parameters) -> None:
    """Put a procedure's matrices back on their constraints, in place; thresholds never fall below 0."""
    assert isinstance(method, Layered), "no other way to infer has parameters"
    with torch.no_grad():
        for name, options in method.free.items():
            if name == "threshold":
                for each in parameters.keys() & {name, GROUP_THRESHOLD}:
                    parameters[each].clamp_min_(0)
            else:
                for matrix in _each(parameters[name]):
                    _bound(matrix, options)


def remove(method: Method, parameters: Parameters) -> None:
    """Make the smallest entries of matrices zero, in place, so that no more stay than their options say."""
    assert isinstance(method, Layered), "no other way to infer has parameters"
    with torch.no_grad():
        for name, share in method.removing().items():
            for matrix in _each(parameters[name]):
                flat = matrix.flatten()
                largest = flat.abs().topk(round(share * flat.numel())).indices
                matrix.copy_(torch.zeros_like(flat).index_copy(0, largest, flat[largest]).reshape(matrix.shape))


def thinned(method: Layered, parameters: Parameters) -> dict[str, Tensor]:
    """A procedure's matrices as its steps see them: no gradient reaches what was removed, so that nothing can bring it back."""
    found = {name: each for name, each in parameters.items() if name != TAKEN}
    for name in method.removing():
        found[name] = found[name] * (found[name] != 0).to(found[name].dtype)
    return found


def _each(tensor: Tensor) -> tuple[Tensor, ...]:
    """A matrix, or each step's own."""
    return tensor.unbind() if tensor.dim() == 3 else (tensor,)


def _bound(matrix: Tensor, options: Matrix) -> None:
    if options.max_row_norm is not None:
        bound_(matrix, ROWS, options.max_row_norm)
    if options.max_column_norm is not None:
        bound_(matrix, COLUMNS, options.max_column_norm)
