"""What a change does to what stands beside it."""

from __future__ import annotations

import pytest

from factorgraph.errors import SpecError
from factorgraph.spec.changes import family_index
from factorgraph.spec.load import load, loads, specs

SPEC = """
factorgraph: 1
variables: {Y: {kind: observed, shape: [2]}, Z: {kind: latent, shape: [2]}}
functions: {decoder: {type: linear, unit_norm: columns}}
factors: {fit: {type: squared_distance, between: [Y, decoder(Z)]}}
inference: {best: {method: argmin, of: Z}}
learning: {long: {loss: energy, epochs: 7, batch_size: 8}}
data: {source: curve, count: 40, bind: {Y: point}}
variants: {idle: {learning.long.steps: 0}}
budgets: {full: {learning.long.epochs: 100}}
"""


@pytest.mark.parametrize(("key", "lasts"), [("steps", (5, None)), ("epochs", (None, 5))])
def test_a_length_takes_the_place_of_the_other(key: str, lasts: tuple[int | None, int | None]) -> None:
    phase = loads(SPEC).with_changes({f"learning.long.{key}": 5}, "a test").learning["long"].first
    assert (phase.steps, phase.epochs, phase.batch_size) == (*lasts, 8)


def test_the_smallest_size_of_a_spec_whose_budget_counts_epochs_can_be_read_again() -> None:
    again = loads(loads(SPEC).budget("smoke").full())
    assert again.learning["long"].first.steps == 10
    full = again.budget("full").learning["long"].first
    assert (full.steps, full.epochs) == (None, 100)
    assert again.variant("idle").learning["long"].first.steps == 0


def test_a_change_that_leaves_another_without_its_address_is_told_at_once() -> None:
    text = SPEC.replace("idle: {learning.long.steps: 0}", "smooth: {functions.decoder.unit_norm: rows}")
    spec = loads(text, "x.yaml")
    with pytest.raises(SpecError) as told:
        spec.with_changes({"functions.decoder": "relu"}, "Python")
    (found,) = (each for each in told.value.issues if each.code == "FG211")
    assert (found.place.line, found.place.column) == (9, 21)
    assert found.notes == ("this shows with Python",)
    assert spec.with_changes({"functions.decoder": "linear"}, "Python").variant("smooth")


@pytest.mark.parametrize("name", sorted(each.name for each in specs() if each.name))
def test_every_variant_and_size_that_ships_leaves_the_others_their_addresses(name: str) -> None:
    spec = load(name)
    for each in spec.budgets:
        assert spec.budget(each).variants.keys() == spec.variants.keys()
    for each, changes in spec.variants.items():
        index = family_index(spec.document, spec.scales, changes)
        spec.variant(f"{each}[0]" if index else each)
