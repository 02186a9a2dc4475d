"""Which procedure sums the latent variables out of the energy of which another sums the partition function."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factorgraph.compile.phases import no_partition
from factorgraph.compile.planner import visible
from factorgraph.errors import RunError, issue

if TYPE_CHECKING:
    from factorgraph.graph.model import Id
    from factorgraph.run.measured import Measured


def posterior(on: Measured, partition: str) -> str | None:
    """The procedure that sums all latent variables out of the factors that are seen, at the beta of a partition function and
    with its factors: ``None`` where there are none to sum.

    Raises RunError FG638 where there is none, or where the partition function is one of other factors.
    """
    graph, total = on.graph, on.model.inferences[partition]
    seen = {key for key in visible(graph, on.only or None, on.without) if graph.factors[key].weight}
    if why := no_partition(graph, total.plan, seen):
        text = f'"{partition}" is not the partition function of the energy that is measured: {why}'
        raise RunError(issue("FG638", text, fix=f"{partition}: {{method: marginal, of: all observed and latent variables}}"))
    latent = {each.id for each in graph.of_kind("latent")}
    if not latent:
        return None
    needed = latent & graph.leading_to(argument for key in seen for argument in graph.factors[key].arguments)
    for name in on.procedures:
        if _beta(on, name) == _beta(on, partition) and _sums(on, name, needed, seen):
            return name
    names = ", ".join(dict.fromkeys(graph.variables[each].name for each in sorted(needed or latent)))
    beta = f", beta: {_beta(on, partition):g}" if _beta(on, partition) != 1 else ""
    text = f'there is no likelihood while {names} is not summed out at the beta and with the factors of "{partition}"'
    raise RunError(issue("FG638", text, fix=f"a procedure with method: marginal, of: [{names}]{beta}"))


def _beta(on: Measured, procedure: str) -> float | None:
    """The inverse temperature of a procedure that sums, at all of its slots."""
    totals = [on.model.inferences[each.id].sum for each in on.plans(procedure)]
    return next((total.beta for total in totals if total is not None), None)


def _sums(on: Measured, procedure: str, needed: set[Id], seen: set[str]) -> bool:
    """Whether a procedure sums out what is needed and no more, under all seen factors that read it and no others, and no factor
    ties what its slots sum apart."""
    graph, plans = on.graph, on.plans(procedure)
    reads = {key: graph.leading_to(graph.factors[key].arguments) for key in graph.factors}
    for plan in plans:
        block = set(plan.block)
        touching = {key for key in seen if reads[key] & block}
        own = {key for key in plan.factors if graph.factors[key].weight and reads[key] & block}
        if own != touching or any(reads[key] & needed - block for key in touching):
            return False
    return {each for plan in plans for each in plan.block} == needed
