"""From a spec to a model: resolve, plan, build. Nothing here reads the spec's text or a raw dictionary again."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from factorgraph.compile.closed import plan_closed_forms
from factorgraph.compile.gradients import check as check_gradient
from factorgraph.compile.gradients import check_memory
from factorgraph.compile.later import misfit_with_later, plan_with_later
from factorgraph.compile.naming import named_procedures, reads
from factorgraph.compile.phases import check_changes, check_curved, phases, plan_phases
from factorgraph.compile.plan import Plan, ProcedurePlan
from factorgraph.compile.resampled import check_resampled
from factorgraph.compile.shaping import check_shaping, shaped
from factorgraph.compile.targets import check_targets
from factorgraph.compile.warm import check_warm
from factorgraph.errors import RunError, SpecError, issue
from factorgraph.graph.model import Graph
from factorgraph.graph.resolve import resolve
from factorgraph.spec.changes import for_a_time

if TYPE_CHECKING:
    from numpy import ndarray

    from factorgraph.compile.model import Model
    from factorgraph.compile.procedures import Inference
    from factorgraph.compile.program import Program
    from factorgraph.spec.schema import Spec


def plan_procedures(graph: Graph, device: str = "cpu") -> dict[str, ProcedurePlan]:
    """The plan of every procedure of a graph, for a device. All refusals are raised together, with their places."""
    plans: dict[str, ProcedurePlan] = {}
    refused: list[SpecError] = []
    with graph.spec.document.locating():
        for key, named in named_procedures(graph).items():
            try:
                check_gradient(graph, named)
                plans[key] = plan_with_later(graph, replace(named, device=device))
            except SpecError as error:
                refused.append(error)
        if refused:
            raise SpecError([issue for error in refused for issue in error.issues])
    return plans


def phase_specs(spec: Spec) -> Iterator[tuple[str, Spec]]:
    """The spec under each phase that sets addresses for its time, by the phase's id."""
    for key, _, phase in phases(spec):
        if phase.set:
            yield key, for_a_time(spec, phase.set, f"learning.{key}.set")


def plan(spec: Spec, graph: Graph | None = None, device: str = "cpu") -> Plan:
    """Everything that can be decided before anything runs. Raises :class:`SpecError`."""
    graph = graph or resolve(spec)
    procedures = plan_procedures(graph, device)
    graphs: dict[str, Graph] = {}
    changed: dict[str, dict[str, ProcedurePlan]] = {}
    for key, each in phase_specs(spec):
        graphs[key] = resolve(each)
        changed[key] = plan_procedures(graphs[key], device)
    with spec.document.locating():
        check_changes(spec, graph, graphs)
        untuned = list(check_targets(graph, procedures, graph))
        untuned += [each for key, other in graphs.items() for each in check_targets(other, changed[key], graph)]
        if untuned:
            raise SpecError(list({(each.code, each.path): each for each in untuned}.values()))
        phased = plan_closed_forms(graph, graphs, plan_phases(graph, procedures, graphs, changed))
        if curved := list(check_curved(spec)):
            raise SpecError(curved)
        if wrong := list(check_memory(graph, procedures, phased)):
            raise SpecError(wrong)
        if idle := list(check_resampled(graph, graphs, phased)):
            raise SpecError(idle)
        if shapeless := list(check_shaping(shaped(graph, graphs, phased))):
            raise SpecError(list({(each.code, each.path, each.message): each for each in shapeless}.values()))
        return Plan(procedures, phased, changed)


def check_plan(graph: Graph, plans: Mapping[str, ProcedurePlan]) -> None:
    """Raise :class:`RunError` FG673 where a stored plan does not belong to a graph, or names a solver that cannot do it."""
    named = named_procedures(graph)
    found = [] if named.keys() == plans.keys() else ["it has other procedures than the spec"]
    found += [why for key in named.keys() & plans.keys() if (why := misfit_with_later(graph, named[key], plans[key]))]
    if found:
        raise RunError(issue("FG673", f"the stored plan does not fit the spec: {found[0]}", notes=tuple(found[1:])))


def check_data(spec: Spec, graph: Graph) -> None:
    """Raise :class:`SpecError` where the data's fields do not fit the variables, as far as that can be said without reading."""
    from factorgraph.data.preparation import check_data as check

    found = check(spec.data.blocks, graph.sample_shapes) if spec.data is not None else []
    if found:
        raise SpecError(spec.document.located(found))


def check_rows(spec: Spec, graph: Graph, plan_: Plan, lacked: Collection[str] | None = None) -> None:
    """Raise :class:`SpecError` FG443, FG543 or FG545 where something needs a variable that no source gives, or some rows lack;
    FG422 where a search starts at what was found for a row that changes.

    ``lacked``: these variables, once the data are read; else what the spec tells of them.
    """
    from factorgraph.compile.lacking import check_bound, check_lacking
    from factorgraph.data.pool import lacked as told

    graphs = {key: resolve(each) for key, each in phase_specs(spec)}
    if spec.data is not None:
        check_bound(graph, graphs, {variable for block in spec.data.blocks.values() for variable in block.bind})
    for each in (graph, *graphs.values()):
        check_warm(each)
    missing = lacked if lacked is not None else told(spec.data.blocks) if spec.data is not None else ()
    if missing:
        check_lacking(graph, graphs, plan_, missing)


def inferences(graph: Graph, program: Program, plans: Mapping[str, ProcedurePlan]) -> dict[str, Inference]:
    """The procedures of a graph, ready to run as their plans say."""
    from factorgraph.compile.procedures import Inference

    return {
        key: Inference(program, plans[key], named.method, reads(graph, named)) for key, named in named_procedures(graph).items()
    }


def build(spec: Spec, plan_: Plan | None = None, data: Mapping[str, ndarray] | None = None) -> Model:
    """The model of a spec, its parameters at their start. ``plan_``: one that was stored, to be followed as it is."""
    from factorgraph.compile.model import Model
    from factorgraph.compile.program import Program
    from factorgraph.compile.start import start

    graph = resolve(spec)
    if plan_ is None:
        plan_ = plan(spec, graph)
    else:
        check_plan(graph, plan_.procedures)
    program = Program(graph)
    return Model(graph, plan_, inferences(graph, program, plan_.procedures), start(graph, data))
