"""A model for pictures of another size than those that it learned from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from factorgraph.compile.later import plan_with_later
from factorgraph.compile.naming import named_procedures, reads
from factorgraph.compile.plan import Plan
from factorgraph.compile.procedures import Inference
from factorgraph.compile.program import Program
from factorgraph.errors import SpecError, issue
from factorgraph.graph.model import Graph, Id
from factorgraph.graph.resized import resized
from factorgraph.inference.methods._matrix import Layered

if TYPE_CHECKING:
    from factorgraph.compile.model import Model
    from factorgraph.compile.planner import Named


def at_size(model: Model, observed: Mapping[Id, tuple[int, int]]) -> Model:
    """The model, its parameters shared, for observed variables of so many rows and columns. It is planned for that size.

    Unrolled procedures are left out: their matrices are as large as the codes that they were made for. Raises
    :class:`SpecError` FG329 or FG321 where its graph is not made for pictures of any size.
    """
    from factorgraph.compile.model import Model

    graph = resized(model.graph, observed)
    with graph.spec.document.locating():
        named = {key: each for key, each in named_procedures(graph).items() if not isinstance(each.method, Layered)}
        for each in named.values():
            _check(graph, each)
        plans = {key: plan_with_later(graph, each) for key, each in named.items()}
    program = Program(graph)
    inferences = {key: Inference(program, plans[key], each.method, reads(graph, each)) for key, each in named.items()}
    tensors = {owner: each for owner, each in model.tensors().items() if not owner.startswith("inference.")}
    return Model(graph, Plan(plans), inferences, tensors).train(model.training)


def _check(graph: Graph, named: Named) -> None:
    for field, values in reads(graph, named).items():
        for variable, value in values.items():
            shape, given = graph.values[variable].shape, graph.values[value].shape
            if given not in ((), shape):
                what = f"{named.id} would {field} {variable}, which is {list(shape)}, with {value}, which is {list(given)}"
                raise SpecError(issue("FG329", what, ("inference", named.name, field)))
