"""Which procedures a phase can use: none twice for one variable, none before what it needs."""

from __future__ import annotations

import pytest

from factorgraph import compile as compiler
from factorgraph.errors import SpecError
from factorgraph.spec.load import loads

SPEC = """
factorgraph: 1
variables:
  Y: {kind: observed, shape: [6]}
  Z: {kind: latent, shape: [9]}
  C: {kind: latent, shape: [4], domain: one_hot}
functions:
  decoder: {type: linear, bias: false, unit_norm: columns}
  means:   {type: linear, bias: false}
  encoder: linear
  guess:   {type: linear, activation: softmax}
factors:
  reconstruction: {type: squared_distance, between: [Y, decoder(Z) + means(C)]}
  sparsity:       {type: l1, of: Z, weight: 0.5}
inference:
  PROCEDURES
learning:
  fit: {loss: energy, steps: 3PHASE}
data: {source: arrays, file: rows.npy, bind: {Y: array}}
"""
ENCODED = "fast: {method: amortized, of: Z, by: encoder(Y)}"
SEARCHED = "z: {method: argmin, of: Z, steps: 20}"
CHOSEN = "c: {method: argmin, of: C}"
GUESSED = "g: {method: amortized, of: C, by: guess(Y)}"


def planned(*procedures: str, phase: str = "") -> object:
    spec = loads(SPEC.replace("PROCEDURES", "\n  ".join(procedures)).replace("PHASE", phase))
    return compiler.plan(spec)


def codes(*procedures: str, phase: str = "") -> list[tuple[str, str]]:
    with pytest.raises(SpecError) as caught:
        planned(*procedures, phase=phase)
    assert all(each.place is not None for each in caught.value.issues)
    return [(each.code, each.fix) for each in caught.value.issues]


def test_two_procedures_of_one_variable_are_told() -> None:
    found = codes(GUESSED, SEARCHED, ENCODED, phase=", inference: [g, z, fast]")
    assert [each for each, _ in found] == ["FG448"]


@pytest.mark.parametrize("order", [(SEARCHED, CHOSEN), (CHOSEN, SEARCHED)])
def test_a_search_that_needs_what_comes_later_is_told(order: tuple[str, str]) -> None:
    (found,) = codes(*order)
    assert found[0] == "FG449"
    assert "of: [Z, C]" in found[1] or "of: [C, Z]" in found[1]


@pytest.mark.parametrize(
    "procedures",
    [
        ("both: {method: argmin, of: [Z, C]}",),
        (GUESSED, SEARCHED),
        (SEARCHED, GUESSED),
        (ENCODED, CHOSEN),
        (GUESSED, "z: {method: argmin, of: Z, start: encoder(Y)}"),
    ],
)
def test_what_is_inferred_in_turn_or_together_is_not(procedures: tuple[str, ...]) -> None:
    assert planned(*procedures)


def test_a_search_that_sees_no_factor_of_the_other_needs_it_not() -> None:
    assert planned("z: {method: argmin, of: Z, only: [sparsity]}", CHOSEN)


@pytest.mark.parametrize("phase", ["", ", inference: [z, g]", ", inference: [z]"])
def test_a_search_runs_behind_what_it_needs(phase: str) -> None:
    (side,) = planned(SEARCHED, GUESSED, phase=phase).phases
    assert side.procedures == ("g", "z")


def test_a_variable_is_named_once() -> None:
    for of in ("[C, C]", "[Z, C, Z]"):
        with pytest.raises(SpecError) as caught:
            planned(f"all: {{method: argmin, of: {of}}}")
        (found,) = caught.value.issues
        assert found.code == "FG256" and "twice" in found.message and found.place is not None and found.place.line == 16


def test_what_a_loss_reads_is_inferred_though_it_sees_no_energy() -> None:
    """So is what infers it trained, where the code has a slope by it."""
    alone = SEARCHED.replace("steps", "only: sparsity, steps")
    for procedure, moved in ((ENCODED, {"functions.encoder"}), (alone, set())):
        text = SPEC.replace("PROCEDURES", f"{procedure}\n  {CHOSEN}").replace(
            "energy, steps", "{type: pulling_away, of: decoder(Z)}, steps"
        )
        (phase,) = compiler.plan(loads(text.replace("PHASE", ""))).phases
        assert phase.procedures == (procedure.partition(":")[0],)
        assert {each.rpartition(".")[0] for each in phase.parameters} == {"functions.decoder"} | moved
    with pytest.raises(SpecError) as caught:
        compiler.plan(loads(text.replace(alone, "").replace("PHASE", "")))
    assert [each.code for each in caught.value.issues] == ["FG404"]
