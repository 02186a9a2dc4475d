"""What a change does to what stands beside it."""

from __future__ import annotations

import pytest

from factorgraph.spec.load import loads

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
