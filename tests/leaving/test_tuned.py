"""Weights that are tuned, in files that leave: they begin and move as those of the compiled model, and searches read them."""

from __future__ import annotations

import pytest
import torch

from factorgraph.compile.targets import largest_weight
from factorgraph.errors import SpecError
from factorgraph.leaving.file import eject
from factorgraph.spec.load import loads
from tests.leaving.test_eject import check_codes, check_learning, close

SPEC = """
factorgraph: 1
variables: {Y: {kind: observed, shape: [6]}, Z: {kind: latent, shape: [9]}}
functions: {decoder: {type: linear, bias: false, unit_norm: columns}, encoder: {type: linear, activation: shrink}}
factors:
  fit:    {type: squared_distance, between: [Y, decoder(Z)], weight: 0.37}
  sparse: {type: l1, of: Z, weight: WEIGHT}
inference:
  best: {method: argmin, of: Z, steps: 90, solver: fista}
  fast: {method: amortized, of: Z, by: encoder(Y)}
learning:
  warm: {loss: energy, train: [decoder], inference: best, steps: 3, set: {factors.sparse.weight: 0.4}}
  fit:  {loss: energy, train: [decoder], inference: best, steps: 3, learning_rate: 0.05}
  more: {loss: {type: imitation, teacher: best, student: [fast]}, train: [encoder], steps: 3}
"""
ONLINE = "{type: linear, bias: false, max_column_norm: 1}"
TARGETS = ("{active_fraction: 0.2}", "{of_maximum: 0.3}")


def spec_of(weight: str, **changes: str):
    text = SPEC.replace("WEIGHT", weight)
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    return loads(text, "tuned.yaml")


@pytest.mark.parametrize("weight", TARGETS)
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"shape: [9]": "shape: [9], domain: nonnegative"},
        {"solver: fista": "solver: coordinate_descent"},
        {"solver: fista": "solver: ista, tolerance: 1e-6"},
        {"  fit:    ": "  too: {type: l1, of: Z, weight: 0.021}\n  fit:    "},
        {"learning_rate: 0.05": "optimizer: diagonal_newton"},
        {"learning_rate: 0.05": "optimizer: online_dictionary", "{type: linear, bias: false, unit_norm: columns}": ONLINE},
    ],
    ids=lambda each: " ".join(each.values()) or "as it is",
)
def test_it_begins_moves_and_is_read_as_in_the_compiled_model(weight, changes, tmp_path, monkeypatch):
    spec = spec_of(weight, **changes)
    check_codes(spec, tmp_path)
    both = check_learning(spec, tmp_path, monkeypatch)
    reached = both.left.sparse_weight
    assert reached.shape == () and not reached.requires_grad and reached > 0 and abs(reached - 1) > 0.01
    rows = {"Y": both.given["Y"].double()}  # each by itself: the largest of all hides what is wrong with the others
    wanted = largest_weight(both.model.inferences["best"], "sparse", rows, both.model.in_use())
    assert close(both.left.largest_sparse_weight(rows["Y"]), wanted, 1e-12)


def test_an_unrolled_network_begins_with_what_its_weight_has_come_to(tmp_path, monkeypatch):
    network = "fast: {method: unrolled, of: Z, solver: ista, steps: 3, free: [filter, inhibition, threshold]}"
    changes = {"fast: {method: amortized, of: Z, by: encoder(Y)}": network, "train: [encoder], ": ""}
    both = check_learning(spec_of(TARGETS[1], **changes), tmp_path, monkeypatch)
    threshold = both.left.fast_threshold
    assert threshold.max() > 0 and "sparse_weight * length.new_ones(9)" in both.file.text()


def test_a_weight_that_moves_with_each_step_needs_steps():
    changes = {"learning_rate: 0.05": "optimizer: closed_form", ", unit_norm: columns": ""}
    assert ".copy_((0.3 * largest(" in eject(spec_of(TARGETS[1], **changes))  # one that only begins
    with pytest.raises(SpecError, match="sets matrices at once") as told:
        eject(spec_of(TARGETS[0], **changes))
    assert told.value.issues[0].code == "FG692" and "optimizer=adam" in told.value.issues[0].fix


def test_the_largest_weight_is_sought_a_thousand_samples_at_a_time():
    from factorgraph.leaving.updates import largest

    rows = torch.arange(2500.0)
    seen: list[int] = []

    def run(each: torch.Tensor) -> torch.Tensor:
        seen.append(len(each))
        return -(each - 2100).abs()

    assert largest(run, rows) == 0 and seen == [1000, 1000, 500]
