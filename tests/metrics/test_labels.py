"""What metrics say of labels, against every label tried by hand."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from factorgraph import compile as compiler
from factorgraph.errors import RunError
from factorgraph.registry import leaves
from factorgraph.run.figures._confusion import confusion
from factorgraph.run.labels import confusions, predict
from factorgraph.run.measured import Measured
from factorgraph.run.report import evaluate
from factorgraph.spec.load import loads

SPEC = """
factorgraph: 1
seed: 5
variables:
  X: {kind: observed, shape: [6]}
  L: {kind: observed, shape: [3], domain: one_hot, given: training}
  Z: {kind: latent, shape: [4]}
functions:
  decoder:    {type: linear, bias: false}
  classifier: linear
factors:
  reconstruction: {type: squared_distance, between: [X, decoder(Z)], weight: 0.7}
  ridge:          {type: squared_distance, between: [Z, 0], weight: 0.37}
  classification: {type: cross_entropy, between: [L, classifier(Z)], weight: 0.9}
  nearness:       {type: squared_distance, between: [classifier(Z), L], weight: 0}
inference:
  code: {method: argmin, of: Z, without: [nearness]}
"""


def measured(text, rows=40, lacking=0, classes=3):
    rng = np.random.default_rng(3)
    label = np.eye(classes, dtype=np.float32)[rng.integers(0, classes, rows)]
    test = {"X": rng.standard_normal((rows, 6)).astype(np.float32), "L": label}
    there = np.arange(rows) >= lacking
    test["L"][~there] = 0
    present = {"L": there} if lacking else {}
    dataset = SimpleNamespace(test=test, train=test, present={"test": present, "train": present}, preparation=None)
    return Measured(compiler.build(loads(text)), dataset)


@pytest.fixture
def text():
    return SPEC


def code(on):
    """The first procedure's code, without any label, in closed form."""
    decoder = on.model.tensors()["functions.decoder"]["matrix"].detach().double().numpy()
    x = on.given["X"].astype(float)
    return np.linalg.solve(0.7 * decoder.T @ decoder + 0.37 * np.eye(4), 0.7 * decoder.T @ x.T).T


def logits(on):
    made = on.model.tensors()["functions.classifier"]
    return code(on) @ made["matrix"].detach().numpy().T + made["bias"].detach().numpy()


def test_the_label_of_least_cross_entropy_is_the_largest_logit(text):
    on = measured(text)
    wrong = logits(on).argmax(1) != on.given["L"].argmax(1)
    assert 0 < wrong.mean() < 1
    assert leaves("metrics")["error_rate"]().measure(on, "classification") == pytest.approx(wrong.mean())


def test_any_factor_with_a_label_may_decide(text):
    on = measured(text)
    squares = np.stack([np.square(logits(on) - each).sum(1) for each in np.eye(3)], 1)
    wrong = squares.argmin(1) != on.given["L"].argmax(1)
    assert leaves("metrics")["error_rate"]().measure(on, "nearness") == pytest.approx(wrong.mean())


def test_rows_without_a_label_do_not_count(text):
    on = measured(text, lacking=13)
    wrong = (logits(on).argmax(1) != on.given["L"].argmax(1))[13:]
    assert leaves("metrics")["error_rate"]().measure(on, "classification") == pytest.approx(wrong.mean())


def test_bits_are_tried_in_all_patterns(text):
    two = text.replace("shape: [3], domain: one_hot", "shape: [3], domain: binary").replace("cross_entropy", "bernoulli")
    on = measured(two)
    wrong = ((logits(on) > 0) != (on.given["L"] > 0.5)).any(1)
    assert leaves("metrics")["error_rate"]().measure(on, "classification") == pytest.approx(wrong.mean())


def test_energies_that_are_no_numbers_are_wrong(text):
    on = measured(text)
    with torch.no_grad():
        on.model.tensors()["functions.classifier"]["bias"][0] = float("nan")
    assert leaves("metrics")["error_rate"]().measure(on, "classification") == 1.0


def test_the_true_label_changes_no_code(text):
    on, other = measured(text), measured(text)
    other.given["L"][:] = np.roll(other.given["L"], 1, axis=1)
    assert torch.equal(on.solved(None).variables["Z"], other.solved(None).variables["Z"])
    assert not torch.equal(on.solved(None).shares["classification"], other.solved(None).shares["classification"])


def test_a_factor_without_a_label_is_refused(text):
    with pytest.raises(RunError, match="touches none") as caught:
        leaves("metrics")["error_rate"]().measure(measured(text), "reconstruction")
    assert caught.value.issues[0].code == "FG656"


def test_confusions_recall_and_precision_are_those_of_another_library():
    from sklearn.metrics import confusion_matrix, precision_score, recall_score

    on = measured(SPEC, rows=200, lacking=30)
    (found, other) = confusions(on)
    assert (found.factor, found.label, other.factor, found.rows) == ("classification", "L", "nearness", 170)
    energies, true = on.by_label("classification")
    taken, true = energies.argmin(1).numpy(), true.numpy()
    np.testing.assert_array_equal(found.counts.numpy(), confusion_matrix(true, taken, labels=range(3)))
    assert found.error == pytest.approx(leaves("metrics")["error_rate"]().measure(on, "classification"))
    for number in range(3):
        assert found.recall(number) == pytest.approx(recall_score(true, taken, labels=[number], average=None)[0])
        assert found.precision(number) == pytest.approx(precision_score(true, taken, labels=[number], average=None)[0])
    report = evaluate(on)
    table = report.text().splitlines()
    begin = table.index(f"L by classification: {found.error:.2%} of 170 samples wrong")
    assert table[begin + 1].split() == ["class", "as", "0", "as", "1", "as", "2", "recall", "precision"]
    assert table[begin + 2].split()[1:4] == [str(each) for each in found.counts[0].tolist()]
    assert report.as_dict()["labels"]["classification"]["classes"][1]["recall"] == found.recall(1)
    assert confusion(on, "classification") is not None and confusion(on, "ridge") is None


def test_a_label_that_is_not_given_is_predicted_by_the_factors_that_touch_it():
    on = measured(SPEC)
    label = on.graph.variables["L"]
    known = on.model.infer(X=torch.from_numpy(on.given["X"])).variables
    assert "L" not in known
    best = np.argmin(np.stack([on.model.energy(**known, L=each.expand(40, 3)).detach().numpy() for each in torch.eye(3)], 1), 1)
    np.testing.assert_array_equal(predict(on.model, label, known).numpy(), best)


def test_a_miss_rate_is_the_area_under_the_misses_by_false_alarms(text):
    """By going through every threshold."""
    two = text.replace("L: {kind: observed, shape: [3]", "L: {kind: observed, shape: [2]")
    on = measured(two, classes=2)
    score, true = logits(on) @ [-1, 1], on.given["L"].argmax(1)
    area, before = 0.0, 0.0
    for threshold in np.sort(score[true == 0])[::-1]:
        alarms = (score[true == 0] >= threshold).mean()
        area += (alarms - before) * (score[true == 1] <= threshold).mean()
        before = alarms
    assert 0.05 < area < 0.95
    assert leaves("metrics")["miss_rate"]().measure(on, "classification") == pytest.approx(area)
    with pytest.raises(RunError) as error:
        leaves("metrics")["miss_rate"]().measure(measured(text), "classification")
    assert error.value.issues[0].code == "FG656" and "has 3" in error.value.issues[0].message
