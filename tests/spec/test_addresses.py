"""Addresses: one way for ``--set``, phases' ``set``, variants and budgets, through short forms, lists and fragments."""

from __future__ import annotations

import pytest

from factorgraph.errors import Issue, SpecError
from factorgraph.spec.load import load, loads
from factorgraph.spec.schema import Spec

TEXT = """factorgraph: 1
title: Small
dims: {side: 4, code: 7, count: [2, 3, 5]}
indices: {p: 3}
variables:
  Y: {kind: observed, shape: [side * side]}
  Z: {kind: latent, shape: [code]}
  H: relu(encoder(Y))
functions:
  decoder: {type: linear, bias: false}
  encoder: linear
factors:
  reconstruction: {type: squared_distance, between: [Y, decoder(Z)]}
  sparsity: {type: l1, of: Z, weight: 0.5}
inference:
  optimal: {method: argmin, of: Z, start: H}
learning:
  warm: {steps: 30, set: {factors.sparsity.weight: 0.1}}
  fit: energy
data: {source: natural_patches, size: side, count: 100, prepare: [remove_mean, {whiten: 0.02}], bind: {Y: image}}
variants:
  sizes: {dims.code: "count[p]"}
  bent: {functions.encoder.activation: tanh, data.prepare: [remove_mean]}
budgets:
  full: {learning.fit: {epochs: 50}, dims.side: 8}
"""


@pytest.fixture
def spec() -> Spec:
    return loads(TEXT)


def refused(spec: Spec, address: str, value: object = 1) -> Issue:
    with pytest.raises(SpecError) as caught:
        spec.with_changes({address: value}, "--set")
    (it,) = caught.value.issues
    assert it.place is not None
    assert it.place.origin == "--set"
    return it


def test_a_value_replaces_what_was_there(spec: Spec) -> None:
    assert spec.with_changes({"factors.sparsity.weight": 0.25}, "Python").factors["sparsity"].weight() == 0.25
    assert spec.factors["sparsity"].weight() == 0.5


def test_a_map_replaces_a_map_whole(spec: Spec) -> None:
    changed = spec.with_changes({"functions.decoder": {"type": "linear", "unit_norm": "columns"}}, "Python")
    assert changed.functions["decoder"].first.bias is True  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("address", "value", "read"),
    [
        ("functions.encoder.activation", "tanh", lambda s: s.functions["encoder"].first.activation),
        ("functions.encoder.max_row_norm", 0.37, lambda s: s.functions["encoder"].first.max_row_norm),
        ("factors.reconstruction.weight", 0.37, lambda s: s.factors["reconstruction"].weight()),
        ("factors.reconstruction.between.0", "Y - 1", lambda s: s.factors["reconstruction"].leaf.first.between[0].text),
        ("inference.optimal.solver", "ista", lambda s: s.inference["optimal"].first.solver.type),
        ("learning.fit.learning_rate", 0.37, lambda s: s.learning["fit"].first.learning_rate),
        ("learning.fit.loss.weight", 0.37, lambda s: s.learning["fit"].first.loss["energy"].weight),
        ("learning.fit.optimizer.betas.0", 0.5, lambda s: s.learning["fit"].first.optimizer.betas[0]),
        ("learning.fit.optimizer.weight_decay", 0.37, lambda s: s.learning["fit"].first.optimizer.weight_decay),
        ("learning.fit.set.seed", 3, lambda s: s.learning["fit"].first.set["seed"]),
        ("variables.H.start", "Z", lambda s: s.variables["H"].first.start.text),
        ("variables.Z.shape.0", "2 * code", lambda s: s.variables["Z"].first.shape[0]),
        ("data.prepare.1.whiten", 0.37, lambda s: s.data.first.prepare[1].floor),
        ("data.prepare.1.kept", 5, lambda s: s.data.first.prepare[1].kept),
        ("data.test", 0.37, lambda s: s.data.first.test),
        ("dims.code", 9, lambda s: s.dims["code"]),
        ("dims.count.1", 9, lambda s: s.dims["count"][1]),
        ("indices.p", 2, lambda s: s.indices["p"]),
        ("seed", 9, lambda s: s.seed),
        ("data.bind.Y", "image", lambda s: s.data.first.bind["Y"]),
    ],
)
def test_an_address_reaches(spec: Spec, address: str, value: object, read: object) -> None:
    if address == "learning.fit.optimizer.betas.0":
        spec = spec.with_changes({"learning.fit.optimizer.betas": [0.9, 0.999]}, "Python")
    changed = spec.with_changes({address: value}, "Python")
    wanted = 14 if address == "variables.Z.shape.0" else value
    assert read(changed) == wanted  # type: ignore[operator]
    assert loads(changed.to_yaml()) == changed


@pytest.mark.parametrize(
    ("address", "word", "replacement"),
    [
        ("functions.encodr.bias", '"encodr"', "functions.encoder.bias"),
        ("functions.encoder.bais", '"bais"', "functions.encoder.bias"),
        ("function.encoder.bias", '"function"', "functions.encoder.bias"),
        ("factors.sparsity.between", '"between"', None),
        ("factors.reconstruction.between.2", "list of 2", None),
        ("factors.sparsity.weight.deeper", "single value", None),
        ("learning.fit.optimizer.momentum", '"momentum"', None),
        ("learning.fit.los", '"los"', "learning.fit.loss"),
        ("dims.cod", '"cod"', "dims.code"),
        ("variables.W", '"W"', None),
        ("data.sise", '"sise"', "data.size"),
        ("seed.x", "single value", None),
        ("expect.x", "has no expect", None),
        ("", '""', None),
    ],
)
def test_an_address_that_leads_nowhere_says_what_is_there(spec: Spec, address: str, word: str, replacement: str | None) -> None:
    it = refused(spec, address)
    assert it.code == "FG211"
    assert word in it.message
    assert it.replacement == replacement


def test_what_is_allowed_stands_in_the_schemas_order(spec: Spec) -> None:
    assert refused(spec, "factors.sparsity.wieght").allowed == "type, of, weight"


def test_a_value_that_does_not_fit_is_told_at_the_option(spec: Spec) -> None:
    it = refused(spec, "factors.sparsity.weight", "heavy")
    assert it.code == "FG311"
    assert it.place is not None
    assert it.place.text == "factors.sparsity.weight=heavy"


def test_a_phases_set_is_tried_when_the_spec_is_loaded() -> None:
    with pytest.raises(SpecError) as caught:
        loads(TEXT.replace("{factors.sparsity.weight: 0.1}", "{factors.sparsty.weight: 0.1, factors.sparsity.of: Q}"))
    told = [(it.code, it.place.line, it.place.column) for it in caught.value.issues if it.place]
    assert told == [("FG211", 18, 27)]


def test_each_variant_and_budget_is_tried_when_the_spec_is_loaded() -> None:
    with pytest.raises(SpecError) as caught:
        loads(TEXT.replace("activation: tanh", "activation: tahn").replace("{epochs: 50}", "{epochs: -1}"))
    assert [(it.code, it.place.line) for it in caught.value.issues if it.place] == [("FG204", 23), ("FG314", 25)]


def test_what_a_variant_breaks_elsewhere_is_told_at_the_variant() -> None:
    with pytest.raises(SpecError) as caught:
        loads(TEXT.replace("bent: {", "bent: {dims.side: 0, "))
    for it in caught.value.issues:
        assert it.place is not None
        assert it.place.line == 23


def test_a_variant_changes_the_spec(spec: Spec) -> None:
    bent = spec.variant("bent")
    assert bent.functions["encoder"].first.activation == "tanh"  # type: ignore[attr-defined]
    assert bent.data is not None
    assert [step.type for step in bent.data.first.prepare] == ["remove_mean"]
    with pytest.raises(SpecError, match="no variant"):
        spec.variant("bend")


def test_a_value_with_an_index_makes_a_family(spec: Spec) -> None:
    assert [spec.variant(f"sizes[{p}]").variables["Z"].first.shape for p in range(3)] == [(2,), (3,), (5,)]
    assert spec.variant("sizes[last]") == spec.variant("sizes[2]")
    for wrong in ("sizes", "sizes[3]"):
        with pytest.raises(SpecError, match=r"family|not there"):
            spec.variant(wrong)


def test_budgets(spec: Spec) -> None:
    assert spec.budget("laptop") is spec
    assert spec.budget("full").learning["fit"].first.epochs == 50
    smoke = spec.budget("smoke")
    assert [(each.first.steps, each.first.epochs) for each in smoke.learning.values()] == [(10, None), (10, None)]
    assert smoke.learning["warm"].first.set == {"factors.sparsity.weight": 0.1}
    with pytest.raises(SpecError, match="no budget"):
        spec.budget("huge")


def test_the_smoke_budget_has_small_batches_of_little_data(spec: Spec) -> None:
    more = spec.with_changes({"data.count": 80_000, "data.test": 900, "learning.fit.batch_size": 300}, "test")
    smoke = more.budget("smoke")
    assert smoke.data is not None
    assert (smoke.data.first.count, smoke.data.first.test, smoke.learning["fit"].first.batch_size) == (500, 50, 20)
    whole = spec.with_changes({"data.count": 800}, "test").budget("smoke")
    assert whole.data is not None and whole.data.first.test == 50  # where nothing is said, a set's own may be large
    less = spec.with_changes({"data.count": 80, "data.test": 0.37, "learning.fit.batch_size": "all"}, "test").budget("smoke")
    assert less.data is not None
    assert (less.data.first.count, less.data.first.test, less.learning["fit"].first.batch_size) == (80, 0.37, "all")


def test_the_smoke_budget_has_short_searches(spec: Spec) -> None:
    (name,) = spec.inference
    steps = {asked: spec.with_changes({f"inference.{name}.steps": asked}, "test").budget("smoke") for asked in (7, 4000)}
    assert {asked: vars(each.inference[name].first)["steps"] for asked, each in steps.items()} == {7: 7, 4000: 20}


def test_a_phase_for_each_slot_gets_its_own_values() -> None:
    text = TEXT.replace("set: {factors.sparsity.weight: 0.1}", 'per: p, set: {factors.sparsity.weight: "count[p]"}')
    phase = loads(text).learning["warm"]
    changes = [phase.at({"p": p}).set for p in range(3)]
    assert changes == [{"factors.sparsity.weight": f"count[{p}]"} for p in range(3)]
    assert loads(text).with_changes(changes[2], "Python").factors["sparsity"].weight() == 5


def test_changes_add_up_and_leave_the_original_alone(spec: Spec) -> None:
    before = spec.to_yaml()
    once = spec.with_changes({"seed": 1, "dims.side": 5}, "Python")
    twice = once.with_changes({"seed": 2}, "Python")
    assert (twice.seed, twice.dims["side"]) == (2, 5)
    assert spec.to_yaml() == before


def test_the_place_of_what_was_not_changed_stays() -> None:
    spec = load("psd").with_changes({"functions.encoder.activation": "tanh"}, "--set")
    place = spec.document.place(("functions", "encoder", "type"))
    assert place.file.endswith("psd.yaml")
    assert place.line == 13
