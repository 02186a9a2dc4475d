"""Which solver, for which reason: the energy is perturbed, and the plan must follow."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, ClassVar

import pytest
from pydantic import Field

from factorgraph import compile as compiler
from factorgraph.compile import planner
from factorgraph.compile.plan import ProcedurePlan, describe, from_json
from factorgraph.errors import RunError, SpecError
from factorgraph.graph.model import Graph
from factorgraph.graph.resolve import resolve
from factorgraph.registry import leaves
from factorgraph.spec.expressions import Expression
from factorgraph.spec.load import loads
from factorgraph.spec.schema import Spec
from factorgraph.structure import Absolute, Factor, Glyph, Proximal
from tests.compile.specs import FRAMES, PSD, SPARSE, TWO_LATENTS, spec

GUESSED = SPARSE.replace("functions:", "functions:\n  guess: {type: linear, units: code}")
BY_SAMPLE = {"factors.reconstruction.between": ["Y", "decoder(Z) * Y"]}  # each sample's values curve its energy
PRODUCT = {"type": "inner_product", "between": ["Z", "guess(Y)"]}
PRIOR = {"type": "gaussian", "of": "Z", "precision": "diagonal"}


def planned(made: Spec, procedure: str = "optimal") -> ProcedurePlan:
    return compiler.plan_procedures(resolve(made))[procedure]


@pytest.fixture(autouse=True)
def kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine with a compiler, whatever this one has."""
    monkeypatch.setattr(planner, "missing", lambda name: "")


@pytest.mark.parametrize(
    ("changes", "solver", "kernel", "words"),
    [
        ({}, "active_set", "compiled", "proximal"),
        ({"functions.decoder": {"type": "linear", "bias": False}}, "active_set", "compiled", "weight on the magnitude"),
        ({"variables.Z.domain": "nonnegative"}, "active_set", "compiled", "proximal"),
        ({"variables.Z.domain": "nonnegative", "factors.sparsity.weight": 0}, "fista", "gram", "proximal"),  # no weight, no gap
        ({"inference.optimal.gradient": "implicit"}, "active_set", "compiled", "proximal"),
        ({"inference.optimal.gradient": "unroll"}, "fista", "gram", "proximal"),
        ({"dims.code": 1024}, "active_set", "compiled", "proximal"),
        ({"dims.code": 1025}, "fista", "gradient", "proximal"),
        ({"variables.Z.domain": "one_hot"}, "enumerate", "gram", "one_hot"),
        ({"variables.Z.domain": "one_hot", "functions.decoder.activation": "relu"}, "enumerate", "", "one_hot"),
        ({"variables.Z.domain": "one_hot", "factors.sparsity.of": "decoder(Z)"}, "enumerate", "", "one_hot"),
        ({"variables.Z.domain": "binary", "dims.code": 16}, "enumerate", "gram", "binary"),
        ({"variables.Z.domain": "simplex"}, "fista", "gram", "proximal"),
        ({"factors.sparsity": {"type": "squared_distance", "between": ["Z", 0], "weight": 0.2}}, "exact", "gram", "quadratic"),
        ({"factors.sparsity.weight": 0}, "exact", "gram", "quadratic"),
        ({"functions.decoder.activation": "relu"}, "ista", "gradient", "proximal"),
        (
            {"functions.decoder.activation": "relu", "factors.sparsity.weight": 0},
            "lbfgs",
            "gradient",
            "without a non-smooth part",
        ),
        ({"dims.code": 16}, "active_set", "compiled", "proximal"),
        ({"dims.code": 4096}, "fista", "gradient", "proximal"),
        ({"dims.code": 4096, "factors.sparsity.weight": 0}, "exact", "gram", "quadratic"),
        ({"factors.reconstruction.weight": -1}, "ista", "gram", "proximal"),  # not convex any more
        (BY_SAMPLE, "ista", "gradient", "proximal"),
        ({**BY_SAMPLE, "factors.sparsity.weight": 0}, "exact", "grams", "quadratic"),
        ({**BY_SAMPLE, "factors.sparsity.weight": 0, "dims.code": 129}, "lbfgs", "gradient", "non-smooth"),
        ({"factors.sparsity": {**PRODUCT, "weight": -0.37}}, "exact", "gram", "one Hessian"),
        ({"factors.sparsity": {"type": "inner_product", "between": ["Z", "Z"], "weight": 0.37}}, "lbfgs", "gram", "bound"),
        ({"factors.sparsity": {"type": "bias", "of": "Z", "weight": -0.37}}, "exact", "gram", "quadratic"),
        ({"factors.sparsity": {"type": "distance", "between": ["Z", "guess(Y)"]}}, "fista", "gram", "proximal"),
        ({"factors.sparsity": {"type": "distance", "between": ["guess(Y)", "Z"]}}, "fista", "gram", "proximal"),
        ({"factors.sparsity": {"type": "distance", "between": ["Z", "guess(Y)"], "p": 3}}, "lbfgs", "gradient", "non-smooth"),
        ({"factors.sparsity": {"type": "distance", "between": ["Z", "guess(Y)"], "p": 2}}, "exact", "gram", "quadratic"),
        ({"factors.sparsity": {"type": "log_cosh", "of": "Z"}}, "fista", "gradient", "convex"),
        ({"factors.sparsity": {"type": "student_t", "of": "Z"}}, "lbfgs", "gradient", "bound"),
        ({"factors.sparsity": PRIOR}, "exact", "gram", "quadratic"),
        ({"factors.sparsity": {**PRIOR, "by": "softmax(guess(Y))"}}, "exact", "grams", "fista"),
    ],
)
def test_the_solver_that_uses_most_structure_wins(changes: dict[str, object], solver: str, kernel: str, words: str) -> None:
    made = loads(GUESSED)
    plan = planned(made.with_changes(changes, "test"))
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
        ({"factors.sparsity.weight": -1}, "FG401", ["sparsity", "negative weight, -1", "proximal map"]),
        ({"factors.sparsity.of": "decoder(Z)"}, "FG401", ["sparsity", "l1 of decoder", "proximal map"]),
        ({"variables.Z.domain": "binary"}, "FG421", ["65536", "33 units have about 10^9 together", "nonnegative or simplex"]),
        ({"variables.Z.domain": "binary", "dims.code": 17}, "FG421", ["131072 together"]),
        ({"variables.Z.domain": "binary", "inference.optimal.solver": "enumerate"}, "FG402", ["65536"]),
        ({"variables.Z.domain": "binary", "dims.code": 4, "inference.optimal.solver": "fista"}, "FG402", ["domain", "binary"]),
        ({"variables.Z.domain": "simplex", "inference.optimal.solver": "exact"}, "FG402", ["simplex"]),
        ({**BY_SAMPLE, "inference.optimal.solver": "fista"}, "FG402", ["bound", "Quadratic after Affine decoder, by sample"]),
        (
            {**BY_SAMPLE, "factors.sparsity.weight": 0, "dims.code": 129, "inference.optimal.solver": "exact"},
            "FG402",
            ["at most 128 units where each sample has a Hessian of its own; the block has 129"],
        ),
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


def test_a_reward_is_answered_by_its_weight_alone() -> None:
    with pytest.raises(SpecError) as caught:
        planned(spec(SPARSE).with_changes({"factors.sparsity.weight": -1}, "test"))
    (it,) = caught.value.issues
    assert (it.fix, it.notes) == ("give sparsity a weight of at least 0", ())


def test_a_factor_that_promises_nothing_is_named_without_a_function(monkeypatch) -> None:
    monkeypatch.setattr(leaves("factors")["l1"], "keeps", lambda self, promise, moving: False)
    with pytest.raises(SpecError, match="FG401: no solver can infer Z; sparsity is l1: neither a gradient nor a proximal map"):
        planned(spec(SPARSE))


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
        "solver  active_set",
        "kernel  compiled",
    ):
        assert word in text


def test_a_linear_term_is_no_square_and_leaves_no_gap() -> None:
    tilted = SPARSE.replace("factors:\n", "factors:\n  tilt: {type: bias, of: Z}\n")
    plan = planned(loads(tilted))
    assert plan.solver is not None and plan.solver["type"] == "fista"
    assert any(each.startswith("active_set will not do: it needs squares alone") for each in plan.others)


def test_without_its_kernel_another_solver_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    why = "there is no C++ compiler"
    graph = resolve(spec(PSD))
    with monkeypatch.context() as patch:
        patch.setattr(planner, "missing", lambda name: why)
        without = compiler.plan_procedures(graph)["optimal"]
    for plan, told in ((without, why), (compiler.plan_procedures(graph, "cuda")["optimal"], "its compiled kernel is for a CPU")):
        assert plan.solver is not None and plan.solver["type"] == "fista" and plan.kernel == "gram"
        assert f"active_set is not chosen: {told}" in describe(plan, "")


def test_a_solver_that_is_named_needs_no_compiler_and_a_stored_plan_fits_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = resolve(spec(PSD).with_changes({"inference.optimal.solver": "active_set"}, "test"))
    compiled = compiler.plan_procedures(graph)
    monkeypatch.setattr(planner, "missing", lambda name: "there is no C++ compiler")
    plain = compiler.plan_procedures(graph)
    assert [each["optimal"].kernel for each in (compiled, plain)] == ["compiled", "gram"]
    for each in (compiled, plain):
        compiler.check_plan(graph, each)


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


def test_variables_that_are_tried_and_variables_that_are_moved_have_no_solver_together() -> None:
    text = TWO_LATENTS.replace("B: {kind: latent, shape: [3]}", "B: {kind: latent, shape: [3], domain: one_hot}")
    assert planned(spec(text)).solver == {"type": "block_coordinate", "inner": 10}
    with pytest.raises(SpecError, match=r"this one is mixed.*\n.*\n.*\n.*block_coordinate") as caught:
        planned(spec(text, inference__optimal__solver="enumerate"))
    assert caught.value.issues[0].code == "FG402"
    with pytest.raises(SpecError) as caught:
        planned(spec(text, variables__B__shape=[17], variables__B__domain="binary"))
    assert caught.value.issues[0].code == "FG420"
    assert "B may take a few values, which are tried, and A many" in str(caught.value)
    assert "B cannot be searched value by value: at most 65536" in str(caught.value)


@pytest.mark.parametrize(
    ("domains", "domain", "size"),
    [(("one_hot", "one_hot"), "one_hot", 12), (("binary", "binary"), "binary", 128), (("binary", "one_hot"), "finite", 48)],
)
def test_variables_that_are_tried_are_tried_together(domains: tuple[str, str], domain: str, size: int) -> None:
    plan = planned(spec(TWO_LATENTS, variables__A__domain=domains[0], variables__B__domain=domains[1]))
    assert (plan.domain, plan.solver) == (domain, {"type": "enumerate"})


class Length(Factor, Proximal):
    """Groups that are on or off together: not unit by unit."""

    type: str = "length"
    of: Expression = Field(description="a group")
    convex: ClassVar[bool] = True
    glyph: ClassVar[Glyph] = Glyph(label="length")

    def energy(self, *arguments: Any) -> Any:
        return arguments[0].flatten(1).norm(dim=1)

    def prox(self, v: Any, t: Any, *still: Any) -> Any:
        return v * (1 - t / v.norm(dim=1, keepdim=True)).clamp_min(0)


class Apart(Factor, Absolute):
    """Magnitudes of a difference: of one variable they are shifted."""

    type: str = "apart"
    between: tuple[Expression, Expression] = Field(description="two values")
    convex: ClassVar[bool] = True
    glyph: ClassVar[Glyph] = Glyph(label="apart")

    def energy(self, *arguments: Any) -> Any:
        return (arguments[0] - arguments[1]).abs().flatten(1).sum(1)

    def prox(self, v: Any, t: Any, *still: Any) -> Any:
        return v - (v - still[0]).clamp(-t, t)


def with_leaf(made: Spec, leaf: Factor) -> Graph:
    graph = resolve(made)
    return replace(graph, factors={**graph.factors, "sparsity": replace(graph.factors["sparsity"], leaf=leaf)})


def test_groups_are_searched_but_not_where_they_must_be_nonnegative() -> None:
    graph = with_leaf(spec(SPARSE), Length(of="Z"))
    assert compiler.plan_procedures(graph)["optimal"].solver == {"type": "fista", "restart": True}
    for domain in ("nonnegative", "simplex"):
        with pytest.raises(SpecError, match=f"length of {domain} values: no proximal map of both together"):
            compiler.plan_procedures(with_leaf(spec(SPARSE, variables__Z__domain=domain), Length(of="Z")))


def test_shifted_magnitudes_do_not_add_up() -> None:
    text = GUESSED.replace("inference:", "  pull: {type: l1, of: Z}\ninference:")
    made = loads(text).with_changes({"factors.sparsity": PULL, "factors.pull.weight": 0}, "test")
    assert compiler.plan_procedures(with_leaf(made, Apart(between=("Z", "guess(Y)"))))["optimal"].solver
    both = made.with_changes({"factors.pull.weight": 1}, "test")
    with pytest.raises(SpecError, match="l1 beside sparsity"):
        compiler.plan_procedures(with_leaf(both, Apart(between=("Z", "guess(Y)"))))


PULL = {"type": "distance", "between": ["Z", "guess(Y)"], "weight": 0.2}


@pytest.mark.parametrize(
    ("second", "domain", "words"),
    [
        ({"type": "l1", "of": "Z", "weight": 0.2}, "real", ""),
        ({"type": "l1", "of": "Z", "weight": 0.2}, "simplex", ""),
        (PULL, "real", "pull is distance beside sparsity: only magnitudes, as of l1, and once those of lengths of groups"),
        (PULL, "one_hot", ""),
    ],
)
def test_of_several_proximal_terms_only_magnitudes_add_up(second: dict[str, object], domain: str, words: str) -> None:
    made = loads(GUESSED.replace("inference:", "  pull: {type: l1, of: Z}\ninference:"))
    made = made.with_changes({"factors.pull": second, "variables.Z.domain": domain}, "test")
    if words:
        with pytest.raises(SpecError, match=words):
            planned(made)
    else:
        assert {term.part for term in planned(made).terms} == {"smooth", "rest"}


def test_a_pull_towards_what_stands_still_may_be_kept_nonnegative_but_not_on_a_simplex() -> None:
    made = loads(GUESSED)
    assert planned(made.with_changes({"factors.sparsity": PULL, "variables.Z.domain": "nonnegative"}, "test")).solver
    with pytest.raises(SpecError, match="distance of simplex values"):
        planned(made.with_changes({"factors.sparsity": PULL, "variables.Z.domain": "simplex"}, "test"))


def test_bounds_of_what_is_learned_and_of_what_has_no_curvature_are_told() -> None:
    made = loads(GUESSED)
    terms = {}
    for key, factor in (("prior", PRIOR), ("bias", {"type": "bias", "of": "Z"}), ("by", {**PRIOR, "by": "softmax(guess(Y))"})):
        terms[key] = planned(made.with_changes({"factors.sparsity": factor}, "test")).terms[1]
    assert terms["prior"].bound == terms["by"].bound == "L = 1 |sparsity|"
    assert (terms["bias"].promise, terms["bias"].bound) == ("Linear", "L = 0")
    assert (terms["by"].promise, terms["by"].own, terms["prior"].own) == ("Quadratic, by sample", True, False)


def test_a_plan_of_before_hessians_were_told_apart_reads_back() -> None:
    plan = compiler.plan(spec(SPARSE))
    data = json.loads(plan.to_json())
    for term in data["procedures"]["optimal"]["terms"]:
        del term["own"]
    assert from_json(data) == plan
    compiler.build(spec(SPARSE), from_json(data))


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
        ({"kernel": "grams"}, "grams"),
        ({"terms": ()}, "cannot infer"),
    ],
)
def test_a_plan_from_a_stranger_is_checked(change: dict[str, object], words: str) -> None:
    made = spec(SPARSE)
    good = compiler.plan(made)
    bad = replace(good, procedures={"optimal": replace(good.procedures["optimal"], **change)})
    with pytest.raises(RunError) as caught:
        compiler.build(made, bad)
    assert caught.value.issues[0].code == "FG673"
    assert words in str(caught.value)
    compiler.build(made, good)


CHOICE = """
factorgraph: 1
variables:
  Y: {kind: observed, shape: [7]}
  C: {kind: observed, shape: [3], domain: %s}
  Z: {kind: latent, shape: [5]}
  named: C
functions:
  guess: linear
  logits: linear
  squashed: {type: network, layers: 5fc-3fc, last: softmax}
factors:
  choice: %s
  reconstruction: {type: squared_distance, between: [Y, guess(Z)]}
inference:
  optimal: {method: argmin, of: Z}
"""


@pytest.mark.parametrize(
    "factor",
    [
        "{type: cross_entropy, between: [%s, logits(Z)]}",
        "{type: gaussian, between: [Y, guess(Z)], precision: diagonal, by: %s}",
    ],
)
@pytest.mark.parametrize(
    ("domain", "argument", "holds"),
    [
        ("one_hot", "C", True),
        ("simplex", "C", True),
        ("real", "C", False),
        ("nonnegative", "C", False),
        ("binary", "C", False),  # several may be on
        ("real", "softmax(C)", True),
        ("real", "squashed(C)", True),
        ("one_hot", "named", True),
        ("one_hot", "2 * C", False),
    ],
)
def test_promises_that_need_a_choice_are_relied_on_where_there_is_one(
    factor: str, domain: str, argument: str, holds: bool
) -> None:
    graph = resolve(loads(CHOICE % (domain, factor % argument)))
    (term, _) = compiler.plan_procedures(graph)["optimal"].terms
    assert (not term.promise.startswith("Differentiable"), term.convex) == (holds, holds), term
    assert [each.code for each in graph.warnings if each.path == ("factors", "choice")] == ([] if holds else ["FGW253"])


def test_a_target_outside_its_domain_is_no_matter_where_promises_do_not_need_it() -> None:
    graph = resolve(loads(CHOICE % ("real", "{type: bernoulli, between: [Y, guess(Z)]}")))
    (term, _) = compiler.plan_procedures(graph)["optimal"].terms
    assert term.convex and term.bounded
    assert "FGW253" not in [each.code for each in graph.warnings]
