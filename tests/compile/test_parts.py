"""Blocks that are divided: into what, by whose choice, how it is told and stored, and what a stored one must be."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import torch

import factorgraph as fg
from factorgraph import compile as compiler
from factorgraph.compile.plan import ProcedurePlan, describe, from_json
from factorgraph.errors import RunError, SpecError
from factorgraph.graph.resolve import resolve
from factorgraph.lint import lint
from factorgraph.spec.load import loads
from tests.compile.specs import TWO_LATENTS, spec

MIXED = {"variables.B.domain": "one_hot"}
SQUARED = {"type": "squared_distance", "between": ["A", 0], "weight": 0.37}
NEAR = {"factors.a": SQUARED, "factors.b": {"type": "distance", "between": ["A", "B"], "p": 1}, "variables.B.shape": [4]}
BITS = {"kind": "latent", "shape": [10], "domain": "binary"}
CHAIN = """
factorgraph: 1
indices: {t: 6}
variables:
  X: {kind: observed, shape: [5], per: t}
  K: {kind: latent, shape: [10], per: t, domain: one_hot}
functions:
  means: {type: linear, bias: false}
  step:  {type: linear, bias: false}
factors:
  seen: {type: squared_distance, between: [X, means(K)]}
  slow: {type: inner_product, between: ["K[t]", "step(K[t-1])"], weight: -0.37}
inference:
  optimal: {method: argmin, of: K}
"""


def plan_of(text: str, changes: dict[str, Any] | None = None) -> ProcedurePlan:
    made = spec(text).with_changes(changes, "test") if changes else spec(text)
    return compiler.plan_procedures(resolve(made))["optimal"]


def solvers(plan: ProcedurePlan) -> dict[str, str]:
    return {", ".join(each.block): str((each.solver or {})["type"]) for each in plan.parts}


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        (MIXED, {"A": "fista", "B": "enumerate"}),
        ({**MIXED, "variables.A.domain": "simplex"}, {"A": "fista", "B": "enumerate"}),
        ({"variables.A.domain": "binary"}, {"A": "enumerate", "B": "exact"}),
        (NEAR, {"A": "fista", "B": "fista"}),
        ({f"variables.{name}": BITS for name in "AB"}, {"A": "enumerate", "B": "enumerate"}),
    ],
)
def test_what_no_solver_takes_whole_is_divided(changes: dict[str, Any], parts: dict[str, str]) -> None:
    plan = plan_of(TWO_LATENTS, changes)
    assert plan.solver == {"type": "block_coordinate", "inner": 10} and plan.kernel == ""
    assert solvers(plan) == parts
    assert plan.reason.startswith("no solver takes all of them together")


def test_what_some_solver_takes_whole_is_divided_only_if_told() -> None:
    plan = plan_of(TWO_LATENTS)
    assert plan.solver == {"type": "fista", "restart": True} and not plan.parts
    assert "block_coordinate would also do" in plan.reason
    told = plan_of(TWO_LATENTS, {"inference.optimal.solver": {"type": "block_coordinate", "inner": 3}})
    assert told.solver == {"type": "block_coordinate", "inner": 3} and solvers(told) == {"A": "fista", "B": "exact"}


def test_a_part_is_classed_as_if_the_others_were_observed() -> None:
    product = {"factors.reconstruction.between": ["Y", "left(A) * right(B)"]}
    plan = plan_of(TWO_LATENTS, {**product, "inference.optimal.solver": "block_coordinate"})
    assert solvers(plan) == {"A": "ista", "B": "exact"}
    assert plan.terms[0].promise == "Differentiable after left right"
    promises = [f"Quadratic after Affine {name}, by sample" for name in ("left", "right")]
    assert [each.terms[0].promise for each in plan.parts] == promises
    assert [each.kernel for each in plan.parts] == ["gradient", "grams"]


def test_slots_are_one_part_where_a_solver_takes_them_and_parts_of_their_own_where_none_does() -> None:
    assert list(solvers(plan_of(CHAIN))) == [f"K[{t}]" for t in range(6)]
    assert plan_of(CHAIN.replace("t: 6", "t: 4")).solver == {"type": "enumerate"}
    beside = CHAIN.replace("functions:", "  Z: {kind: latent, shape: [5], per: t}\nfunctions:").replace("of: K", "of: [K, Z]")
    beside = beside.replace("means(K)]", "means(K) + Z]").replace("inference:", "  z: {type: l1, of: Z}\ninference:")
    names = [f"K[{t}]" for t in range(6)] + [", ".join(f"Z[{t}]" for t in range(6))]
    assert list(solvers(plan_of(beside))) == names
    assert list(solvers(plan_of(beside.replace("t: 6", "t: 4")))) == [", ".join(f"{v}[{t}]" for t in range(4)) for v in "KZ"]


def test_a_chain_of_choices_ends_where_no_single_one_does_better() -> None:
    model = fg.build(loads(CHAIN)).double()
    x = torch.randn(20, 6, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = model.infer(X=x)
    codes = {f"K[{t}]": found[f"K[{t}]"] for t in range(6)}
    assert (found.status == 0).all() and len({tuple(each.tolist()) for each in codes["K[2]"]}) > 2
    for t in range(6):
        for choice in torch.eye(10).double():
            other = model.energy(X=x, **{**codes, f"K[{t}]": choice.expand(20, 10)})
            assert (found.energy <= other + 1e-12).all()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (MIXED, ["A and B in turn", "the domain is mixed"]),
        (NEAR, ["b is not convex and smooth where it ties them"]),
        ({"factors.reconstruction.weight": -1, "inference.optimal.solver": "block_coordinate"}, ["reconstruction is not convex"]),
        ({"inference.optimal.solver": "block_coordinate"}, []),
        ({}, []),
    ],
)
def test_a_search_that_may_stop_early_is_warned_of(changes: dict[str, Any], words: list[str]) -> None:
    made = spec(TWO_LATENTS).with_changes(changes, "test") if changes else spec(TWO_LATENTS)
    graph = resolve(made)
    found = [each for each in lint(graph, compiler.plan(made, graph)) if each.code == "FGW422"]
    assert len(found) == bool(words)
    assert all(word in found[0].message for word in words)


def test_two_variables_whose_difference_is_priced_are_both_moved() -> None:
    """What ties them has no gradient: each is at its minimum, which is all that is promised."""
    model = fg.build(spec(TWO_LATENTS).with_changes({**NEAR, "inference.optimal.tolerance": 1e-6}, "test")).double()
    y = torch.randn(5, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = model.infer(Y=y)
    for name in "AB":
        for step in (1e-3, -1e-3):
            for unit in torch.eye(4).double():
                moved = {"A": found["A"], "B": found["B"], name: found[name] + step * unit}
                assert (model.energy(Y=y, **moved) >= found.energy - 1e-7).all()


def test_explain_shows_each_part() -> None:
    text = describe(plan_of(TWO_LATENTS, MIXED), "")
    assert "solver  block_coordinate   no solver takes all of them together" in text
    assert "part    A: fista " in text and "part    B: enumerate       the domain is one_hot" in text


def test_a_divided_plan_reads_back_and_is_run_as_it_was_stored() -> None:
    made = spec(TWO_LATENTS).with_changes(MIXED, "test")
    plan = compiler.plan(made)
    assert from_json(json.loads(plan.to_json())) == plan
    optimal = plan.procedures["optimal"]
    other = replace(optimal.parts[0], solver={"type": "ista"})
    stored = replace(plan, procedures={"optimal": replace(optimal, parts=(other, optimal.parts[1]))})
    model = compiler.build(made, from_json(json.loads(stored.to_json())))
    assert [solver.type for solver, _ in model.inferences["optimal"].block.parts] == ["ista", "enumerate"]


def test_a_stored_plan_whose_parts_do_not_fit_is_refused() -> None:
    made = spec(TWO_LATENTS).with_changes(MIXED, "test")
    plan = compiler.plan(made)
    optimal = plan.procedures["optimal"]
    a, b = optimal.parts
    wrong = [
        (a,), (), (a, a), (a, b, b), (replace(a, solver={"type": "exact"}), b), (replace(a, solver={"type": "nothing"}), b),
        (replace(a, kernel="grams"), b), (replace(a, terms=()), b), (replace(a, solver=optimal.solver), b),
        (replace(a, factors=("nothing",)), b),
    ]  # fmt: skip
    for parts in wrong:
        with pytest.raises(RunError, match="FG673"):
            compiler.build(made, replace(plan, procedures={"optimal": replace(optimal, parts=parts)}))
    assert compiler.build(made, plan)


def test_a_refusal_says_which_variable_has_no_solver() -> None:
    with pytest.raises(SpecError, match="no solver can infer A; a is l1 of left") as caught:
        plan_of(TWO_LATENTS, {"factors.a.of": "left(A)", "inference.optimal.solver": "block_coordinate"})
    assert caught.value.issues[0].code == "FG402"
    with pytest.raises(SpecError, match="it is one variable"):
        plan_of(TWO_LATENTS, {"inference.optimal.of": "A", "inference.optimal.solver": "block_coordinate"})


def test_a_divided_search_needs_no_value_on_the_host() -> None:
    for changes in (MIXED, NEAR, {"variables.A.domain": "binary"}):
        few = {"inference.optimal.steps": 1, "inference.optimal.solver": {"type": "block_coordinate", "inner": 2}}
        model = fg.build(spec(TWO_LATENTS).with_changes({**changes, **few}, "test")).to("meta")
        found = model.infer(Y=torch.empty(3, 6, device="meta"))
        assert found["A"].shape == (3, 4) and found.certificate.device.type == "meta"
