"""Which solver, for which reason: the energy is perturbed, and the plan must follow."""

from __future__ import annotations

import json

import pytest

from factorgraph import compile as compiler
from factorgraph.compile.plan import ProcedurePlan, describe, from_json
from factorgraph.errors import RunError, SpecError
from factorgraph.graph.resolve import resolve
from factorgraph.spec.schema import Spec
from tests.compile.specs import FRAMES, PSD, SPARSE, TWO_LATENTS, spec

KMEANS = {"variables.Z.domain": "one_hot", "factors.sparsity.weight": 0}


def planned(made: Spec, procedure: str = "optimal") -> ProcedurePlan:
    return compiler.plan_procedures(resolve(made))[procedure]


@pytest.mark.parametrize(
    ("changes", "solver", "kernel", "words"),
    [
        ({}, "fista", "gram", "proximal"),
        ({"functions.decoder": {"type": "linear", "bias": False}}, "fista", "gram", "proximal"),  # no unit_norm: still convex
        ({"variables.Z.domain": "nonnegative"}, "fista", "gram", "proximal"),
        ({"variables.Z.domain": "one_hot"}, "enumerate", "", "one_hot"),
        ({"factors.sparsity": {"type": "squared_distance", "between": ["Z", 0], "weight": 0.2}}, "exact", "gram", "quadratic"),
        ({"factors.sparsity.weight": 0}, "exact", "gram", "quadratic"),
        ({"functions.decoder.activation": "relu"}, "ista", "gradient", "proximal"),
        (
            {"functions.decoder.activation": "relu", "factors.sparsity.weight": 0},
            "gradient",
            "gradient",
            "without a non-smooth part",
        ),
        ({"dims.code": 16}, "fista", "gram", "proximal"),
        ({"dims.code": 4096}, "fista", "gradient", "proximal"),
        ({"dims.code": 4096, "factors.sparsity.weight": 0}, "exact", "gram", "quadratic"),
        ({"factors.reconstruction.weight": -1}, "ista", "gram", "proximal"),  # not convex any more
        ({"factors.reconstruction.between": ["Y", "decoder(Z) * Y"]}, "ista", "gradient", "proximal"),  # curved by each sample
    ],
)
def test_the_solver_that_uses_most_structure_wins(changes: dict[str, object], solver: str, kernel: str, words: str) -> None:
    plan = planned(spec(SPARSE).with_changes(changes, "test"))
    assert plan.solver is not None
    assert (plan.solver["type"], plan.kernel) == (solver, kernel)
    assert words in plan.reason


def test_a_second_latent_is_minimised_together_with_the_first() -> None:
    plan = planned(spec(TWO_LATENTS))
    assert plan.block == ("A", "B")
    assert plan.units == 7
    assert plan.solver == {"type": "fista", "restart": True}
    assert [(term.factor, term.part) for term in plan.terms] == [("reconstruction", "smooth"), ("a", "rest"), ("b", "smooth")]


def test_slots_of_a_latent_are_one_block_when_factors_tie_them() -> None:
    plan = planned(spec(FRAMES))
    assert plan.block == ("H[0]", "H[1]", "H[2]")
    assert plan.solver == {"type": "exact"}
    assert plan.units == 12


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"factors.sparsity.of": "decoder(Z)"}, "FG401", ["sparsity", "l1 of decoder", "proximal map"]),
        ({"variables.Z.domain": "binary"}, "FG401", ["binary", "domain"]),
        ({"variables.Z.domain": "simplex"}, "FG401", ["simplex"]),
        ({"inference.optimal.solver": "exact"}, "FG402", ["exact", "sparsity is Proximal", "fista"]),
        ({"inference.optimal.solver": "gradient"}, "FG402", ["gradient", "sparsity"]),
        ({"functions.decoder.activation": "relu", "inference.optimal.solver": "fista"}, "FG402", ["bound", "decoder.activation"]),
    ],
)
def test_a_refusal_names_the_term_and_what_it_lacks(changes: dict[str, object], code: str, words: list[str]) -> None:
    with pytest.raises(SpecError) as caught:
        planned(spec(SPARSE).with_changes(changes, "test"))
    assert [each.code for each in caught.value.issues] == [code]
    for word in words:
        assert word in str(caught.value)


def test_a_named_solver_is_taken_and_said_to_be() -> None:
    plan = planned(spec(SPARSE, inference__optimal__solver="ista"))
    assert plan.solver == {"type": "ista"}
    assert "named in the spec" in plan.reason
    assert "fista" in plan.reason


def test_factors_that_a_procedure_does_not_see_are_no_terms() -> None:
    plan = planned(spec(PSD, inference__optimal__without=["prediction"]))
    assert [term.factor for term in plan.terms] == ["reconstruction", "sparsity"]
    assert plan.factors == ("reconstruction", "sparsity")


def test_thresholds_and_bounds_carry_the_weight() -> None:
    plan = planned(spec(PSD))
    assert [term.bound for term in plan.terms] == ["L = 2 |decoder|^2", "L = 0.74", "threshold 0.61 / L"]


def test_a_plan_reads_back_as_it_was() -> None:
    plan = compiler.plan(spec(FRAMES))
    assert from_json(json.loads(plan.to_json())) == plan


def test_what_explain_prints_names_every_part() -> None:
    text = describe(planned(spec(PSD)), "psd.yaml:21")
    for word in (
        "inference optimal, over Z (5 units)",
        "psd.yaml:21",
        "smooth",
        "rest",
        "Quadratic after Affine decoder",
        "solver  fista",
    ):
        assert word in text


def test_a_latent_that_no_procedure_infers_is_told_before_learning() -> None:
    made = spec(SPARSE).with_changes({"learning": {"fit": {"loss": "energy"}}, "inference": {}}, "test")
    with pytest.raises(SpecError) as caught:
        compiler.plan(made)
    assert [each.code for each in caught.value.issues] == ["FG404"]
    assert "argmin, of: Z" in str(caught.value)


def test_a_phase_that_trains_nothing_is_told() -> None:
    made = spec(PSD).with_changes({"learning": {"fit": {"loss": "energy", "only": ["sparsity"]}}}, "test")
    with pytest.raises(SpecError) as caught:
        compiler.plan(made)
    assert [each.code for each in caught.value.issues] == ["FG405"]


def test_a_phase_trains_what_its_loss_reaches() -> None:
    learning = {"all": {"loss": "energy"}, "encoder": {"loss": {"type": "imitation", "teacher": "optimal", "student": "fast"}}}
    plan = compiler.plan(spec(PSD).with_changes({"learning": learning}, "test"))
    encoder = ("functions.encoder.matrix", "functions.encoder.bias", "functions.encoder.activation.threshold")
    assert plan.phases[0].parameters == ("functions.decoder.matrix", *encoder)
    assert plan.phases[1].parameters == encoder
    assert plan.phases[1].procedures == ("optimal", "fast")


def test_two_real_domains_are_projected_each_by_its_own() -> None:
    """Z is real and W is not negative: the minimum is Y for one and its positive part for the other."""
    import torch

    import factorgraph as fg

    text = """
factorgraph: 1
variables:
  Y: {kind: observed, shape: [3]}
  Z: {kind: latent, shape: [3]}
  W: {kind: latent, shape: [3], domain: nonnegative}
factors:
  a: {type: squared_distance, between: [Y, Z]}
  b: {type: squared_distance, between: [Y, W]}
inference:
  optimal: {method: argmin, of: [Z, W], steps: 500, tolerance: 1e-9}
"""
    y = torch.tensor([[-1.0, -2.0, 3.0]])
    found = fg.build(spec(text)).infer(Y=y)
    torch.testing.assert_close(found["Z"], y)
    torch.testing.assert_close(found["W"], y.clamp_min(0))


def test_two_one_hot_latents_are_refused_together() -> None:
    text = SPARSE.replace(
        "  Z: {kind: latent, shape: [code]}",
        "  Z: {kind: latent, shape: [code], domain: one_hot}\n  K: {kind: latent, shape: [code], domain: one_hot}",
    )
    text = (
        text.replace("decoder(Z)]}", "decoder(Z + K)]}")
        .replace("of: Z}", "of: Z}", 1)
        .replace("method: argmin, of: Z", "method: argmin, of: [Z, K]")
    )
    with pytest.raises(SpecError) as caught:
        planned(spec(text))
    assert caught.value.issues[0].code == "FG401"
    assert "mixed" in str(caught.value)


def test_a_name_of_a_latent_stands_for_it() -> None:
    import torch

    import factorgraph as fg

    text = SPARSE.replace("functions:", "  C: Z\nfunctions:").replace("of: Z, weight", "of: C, weight")
    y = torch.randn(4, 20, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(fg.build(spec(text)).infer(Y=y).energy, fg.build(spec(SPARSE)).infer(Y=y).energy)


def test_a_phase_trains_what_its_own_weights_reach() -> None:
    changes = {
        "factors.prediction.weight": 0,
        "learning": {
            "a": {"loss": "energy", "steps": 5, "set": {"factors.prediction.weight": 1}},
            "b": {"loss": "energy", "steps": 5},
        },
    }
    plan = compiler.plan(spec(PSD).with_changes(changes, "test"))
    assert "functions.encoder.matrix" in plan.phases[0].parameters
    assert plan.phases[1].parameters == ("functions.decoder.matrix",)


@pytest.mark.parametrize("address", ["dims.code", "seed", "learning.a.learning_rate"])
def test_a_phase_cannot_change_what_all_phases_share(address: str) -> None:
    learning = {"a": {"loss": "energy", "steps": 5, "set": {address: 3}}}
    with pytest.raises(SpecError) as caught:
        compiler.plan(spec(PSD).with_changes({"learning": learning}, "test"))
    assert {each.code for each in caught.value.issues} == {"FG408"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"solver": {"type": "exact"}}, "exact"),
        ({"solver": {"type": "magic"}}, "magic"),
        ({"solver": None}, "None"),
        ({"block": ("Y",)}, "other variables"),
        ({"factors": ("nothing",)}, "other variables or factors"),
        ({"kernel": "code"}, "code"),
        ({"terms": ()}, "cannot infer"),
    ],
)
def test_a_plan_from_a_stranger_is_checked(change: dict[str, object], words: str) -> None:
    from dataclasses import replace

    made = spec(SPARSE)
    good = compiler.plan(made)
    bad = replace(good, procedures={"optimal": replace(good.procedures["optimal"], **change)})
    with pytest.raises(RunError) as caught:
        compiler.build(made, bad)
    assert caught.value.issues[0].code == "FG673"
    assert words in str(caught.value)
    compiler.build(made, good)
