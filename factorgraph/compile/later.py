"""Variables that are given in training only: a part of the energy when learning, predicted later.

Where such a variable is not known, a procedure infers without the factors that touch it; where it is known, it is seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from factorgraph.compile.naming import reads
from factorgraph.compile.plan import ProcedurePlan
from factorgraph.compile.planner import Named, misfit, plan_procedure
from factorgraph.errors import Issue, SpecError, issue
from factorgraph.graph.model import Graph, Id
from factorgraph.inference.methods._matrix import Layered


def predicted(graph: Graph) -> frozenset[Id]:
    """The observed variables that are given in training only."""
    return frozenset(each.id for each in graph.of_kind("observed") if each.given == "training")


def plan_with_later(graph: Graph, named: Named) -> ProcedurePlan:
    """The plan of one procedure, and that for when it must do without some variables. Raises :class:`SpecError`."""
    plan = plan_procedure(graph, named)
    if wrong := list(_wrong(graph, named)):
        raise SpecError(wrong)
    later = _later(graph, named)
    return plan if later is None else replace(plan, later=plan_procedure(graph, later))


def misfit_with_later(graph: Graph, named: Named, plan: ProcedurePlan) -> str:
    """Why a stored plan is not one of this procedure of this graph; empty where it is."""
    later = _later(graph, named)
    if (later is None) != (plan.later is None):
        return f'"{named.id}" is planned for variables that are given at other times'
    both = misfit(graph, named, plan)
    return both or (misfit(graph, later, plan.later) if later is not None and plan.later is not None else "")


def _later(graph: Graph, named: Named) -> Named | None:
    """The procedure without the factors that touch what is predicted later; ``None`` where it sees none of them."""
    hidden = _touching(graph, named)
    kept = tuple(key for key in named.factors if key not in hidden)
    return replace(named, factors=kept) if hidden and named.method.searches else None


def _touching(graph: Graph, named: Named) -> tuple[str, ...]:
    later = predicted(graph)
    return tuple(key for key in named.factors if any(graph.depends(each, later) for each in graph.factors[key].arguments))


def _wrong(graph: Graph, named: Named) -> Iterator[Issue]:
    later = predicted(graph)
    path = ("inference", named.name)
    for field, values in reads(graph, named).items():
        for key in sorted(later & graph.leading_to(values.values())):
            name = graph.variables[key].name
            what = f'procedure "{named.name}" reads {name} in {field}, and {name} is given in training only'
            yield issue("FG451", what, (*path, field), fix=f"infer from what is always given, or write given: always for {name}")
    hidden = _touching(graph, named)
    if isinstance(named.method, Layered) and named.method.free and hidden:
        factor = graph.factors[hidden[0]]
        name = next(graph.variables[key].name for key in sorted(later & graph.leading_to(factor.arguments)))
        what = f'procedure "{named.name}" learns matrices for an energy with the factor "{factor.name}", '
        what += f"which reads {name}, and {name} is given in training only"
        yield issue("FG452", what, path, fix=f"without: [{factor.name}]")
