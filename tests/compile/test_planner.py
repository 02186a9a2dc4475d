"""Which solver, for which reason: the energy is perturbed, and the plan must follow."""

from __future__ import annotations

import pytest

from factorgraph import compile as compiler
from factorgraph.compile.plan import ProcedurePlan, describe, from_json
from factorgraph.errors import SpecError
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
    assert from_json(plan.to_json()) == plan


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
