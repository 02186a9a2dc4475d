"""Every size that a spec offers can be planned, and what fits one size alone is written for each."""

from __future__ import annotations

from math import prod

import pytest

from factorgraph import compile as compiler
from factorgraph.graph.resolve import resolve
from factorgraph.spec.load import load, specs

OFFERED = [(each.name, budget) for each in specs() if each.name for budget in load(each.name).budgets]


@pytest.mark.parametrize(("name", "budget"), OFFERED)
def test_a_budget_is_planned(name: str, budget: str) -> None:
    spec = load(name).budget(budget)
    graph = resolve(spec)
    plan = compiler.plan(spec, graph)
    compiler.check_data(spec, graph)
    compiler.check_rows(spec, graph, plan)
    assert plan.phases


@pytest.mark.parametrize("budget", ["laptop", "full"])
def test_the_features_of_psd_hierarchy_have_unit_mean_square_at_every_size(budget: str) -> None:
    graph = resolve(load("psd_hierarchy").budget(budget))
    for number in (1, 2):
        units = prod(graph.variables[f"features{number}"].shape)
        assert float(graph.spec.dims[f"root{number}"]) ** 2 == pytest.approx(units, rel=0.05)  # type: ignore[arg-type]  # a number


@pytest.mark.parametrize("name", ["psd_hierarchy", "pedestrian_convnet"])
def test_layers_learn_from_what_their_searches_find(name: str) -> None:
    """The encoder is the fragment's first procedure, and would be taken where a phase names none."""
    plan = compiler.plan(load(name))
    learning = [each for each in plan.phases if any(".decoder." in parameter for parameter in each.parameters)]
    used = {procedure for each in learning for procedure in each.procedures}
    assert len(learning) == 2
    assert used and all(procedure.endswith(".optimal") for procedure in used)
