"""Batches of which so many rows have every variable."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from factorgraph import compile as compiler
from factorgraph.data.dataset import Dataset, load_data
from factorgraph.errors import DataError
from factorgraph.run.infer import infer
from factorgraph.spec.load import loads
from factorgraph.training import session
from factorgraph.training.session import StoppedError, resume, train
from factorgraph.training.sides import Stretch, stretches
from tests.training.test_resume import fingerprint

SPEC = """
factorgraph: 1
seed: 2
variables:
  X:     {kind: observed, shape: [64]}
  label: {kind: observed, shape: [10], domain: one_hot, given: training}
  H:     encoder(X)
functions: {encoder: {type: linear, units: 7, activation: tanh}, decoder: linear, classifier: linear}
factors:
  reconstruction: {type: squared_distance, between: [X, decoder(H)], weight: 0.37}
  naming:         {type: cross_entropy, between: [label, classifier(H)]}
learning:
  joint: {loss: energy, epochs: 2, batch_size: 20, labelled: 6}
data:
  named: {source: digits, count: 60, test: 20, labelled: 13, bind: {X: image, label: label}}
  plain: {source: digits, count: 50, test: 10, bind: {X: image}}
"""


def made(*swaps: tuple[str, str]) -> tuple[Stretch, Dataset]:
    text = SPEC
    for old, new in swaps:
        assert old in text
        text = text.replace(old, new)
    spec = loads(text)
    model = compiler.build(spec)
    data = load_data(spec, model.graph.sample_shapes, ())
    (found,) = stretches(model, data.rows(), data)
    return found, data


def test_every_batch_has_so_many_rows_with_every_variable_and_the_others_lack_some() -> None:
    stretch, data = made()
    there = data.present["train"]["label"]
    assert there.sum() == 13 and stretch.batch == 20 and stretch.rows == data.rows() == 110
    assert stretch.steps == 14  # twice 97 rows without a label, 14 a step
    drawn = [data.drawn("joint", step, stretch.shares) for step in range(stretch.steps)]
    assert all(each.present["label"].sum() == 6 and len(each.index) == 20 for each in drawn)
    rows = np.concatenate([each.index for each in drawn])
    seen = np.bincount(rows, minlength=110)
    assert set(seen[~there]) <= {1, 2, 3} and seen[~there].sum() == 14 * 14  # two passes, and two rows of a third
    assert seen[there].sum() == 14 * 6 and set(seen[there]) <= {6, 7}  # as often as they have to come, in turn
    assert [stretch.epoch(step) for step in (0, 6, 7, 13)] == [0, 0, 1, 1]


def test_where_every_row_has_all_a_batch_is_any_rows() -> None:
    stretch, data = made((", labelled: 13", ""), ("  plain: {source: digits, count: 50, test: 10, bind: {X: image}}\n", ""))
    assert len(stretch.shares) == 1 and stretch.shares[0].size == 20 and stretch.shares[0].count == data.rows() == 60


def test_a_phase_that_reads_labels_alone_draws_labelled_rows_alone() -> None:
    stretch, _ = made(("joint: {", "joint: {only: [naming], "))
    assert [each.count for each in stretch.shares] == [13] and stretch.rows == 13


def test_more_than_there_are_is_a_mistake_at_its_place() -> None:
    with pytest.raises(DataError) as caught:
        made(("labelled: 6", "labelled: 14"))
    (found,) = caught.value.issues
    assert found.code == "FG556" and "13 training rows have them all" in found.message and found.fix == "at most 13"
    assert found.place is not None and SPEC.splitlines()[found.place.line - 1].strip().startswith("joint")


def test_a_run_that_stopped_goes_on_bit_for_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "_all_pictures", lambda *_: None)
    whole = train(loads(SPEC), tmp_path / "whole")
    with pytest.raises(StoppedError):
        train(loads(SPEC), tmp_path / "run", stop_after=5, workers=2)
    assert fingerprint(resume(tmp_path / "run").path) == fingerprint(whole.path)


def test_a_label_that_an_input_lacks_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "_all_pictures", lambda *_: None)
    run = train(loads(SPEC), tmp_path / "run")
    rows = run.dataset.test["X"][:7]
    np.savez(tmp_path / "mine.npz", X=rows)
    said = list(infer(run, tmp_path / "mine.npz", tmp_path / "out.npz", None))
    tensors = {name: each.detach().numpy() for name, each in run.model.tensors()["functions.encoder"].items()}
    hidden = np.tanh(rows @ tensors["matrix"].T + tensors["bias"])
    classifier = {name: each.detach().numpy() for name, each in run.model.tensors()["functions.classifier"].items()}
    right = (hidden @ classifier["matrix"].T + classifier["bias"]).argmax(1)
    np.testing.assert_array_equal(np.load(tmp_path / "out.npz")["predicted.label"], right)
    assert any(line.startswith("label: ") and f"{(right == right[0]).sum()} x {right[0]}" in line for line in said)
