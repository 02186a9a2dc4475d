"""Figures over units, against numpy on the same matrices, those of an unrolled procedure among them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from factorgraph import compile as compiler
from factorgraph.errors import RunError, SpecError
from factorgraph.registry import leaves
from factorgraph.run.claims import judge
from factorgraph.run.measured import Measured
from factorgraph.spec.load import loads

SPEC = """
factorgraph: 1
seed: 5
variables:
  X: {kind: observed, shape: [7]}
  L: {kind: observed, shape: [3], domain: one_hot, given: training}
  Z: {kind: latent, shape: [5], domain: nonnegative}
functions:
  decoder:    {type: linear, bias: false}
  classifier: linear
factors:
  reconstruction: {type: squared_distance, between: [X, decoder(Z)], weight: 0.7}
  sparsity:       {type: l1, of: Z, weight: 0.37}
  classification: {type: cross_entropy, between: [L, classifier(Z)]}
inference:
  recurrent: {method: unrolled, of: Z, solver: ista, steps: 6, without: [classification], free: [filter, inhibition, threshold]}
expect:
  all: {claim: c, metric: "METRIC", report: true}
"""
TURNED = "angle(recurrent.filter, decoder)"


PLAIN = SPEC.replace("METRIC", "mean(Z)")


def measured(text=PLAIN, taken=True):
    rng = np.random.default_rng(3)
    test = {"X": rng.standard_normal((50, 7)).astype(np.float32), "L": np.eye(3, dtype=np.float32)[rng.integers(0, 3, 50)]}
    dataset = SimpleNamespace(test=test, train=test, present={"test": {}, "train": {}}, preparation=None)
    model = compiler.build(loads(text))
    if taken:
        model.take("recurrent")
        with torch.no_grad():
            for each in model.tensors()["inference.recurrent"].values():
                if each.dim() == 2:
                    each.add_(torch.as_tensor(0.3 * rng.standard_normal(each.shape), dtype=each.dtype))
    return Measured(model, dataset)


def arrays(on):
    tensors = on.model.tensors()
    found = {name: each.detach().double().numpy() for name, each in tensors["inference.recurrent"].items()}
    for name in ("decoder", "classifier"):
        found[name] = tensors[f"functions.{name}"]["matrix"].detach().double().numpy()
    return found


def figure(on, metric):
    """What a claim about it measures."""
    spec = loads(SPEC.replace("METRIC", metric))
    (verdict,) = judge(spec, [lambda state: on])
    assert verdict.verdict == "reported", verdict.why
    return verdict.values[0]


def turned(on):
    known = arrays(on)
    rows, columns = known["filter"], known["decoder"].T
    return np.arccos((rows * columns).sum(1) / np.linalg.norm(rows, axis=1) / np.linalg.norm(columns, axis=1))


def test_an_angle_is_that_between_a_row_and_a_column():
    on = measured()
    expected = turned(on)
    assert 0.1 < expected.max() < 3
    found = leaves("metrics")["angle"]().measure(on, "recurrent.filter", "decoder")
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert figure(on, f"share_above({TURNED}, {np.median(expected)})") == pytest.approx(0.4)


def test_matrices_that_nobody_learned_are_those_of_the_energy():
    on = measured(taken=False)
    known = arrays(on)
    decoder = known["decoder"]
    hessian = 2 * 0.7 * decoder.T @ decoder
    inhibition = on.matrix("recurrent.inhibition").double().numpy()
    length = (1 - inhibition[0, 0]) / hessian[0, 0]
    np.testing.assert_allclose(inhibition, np.eye(5) - length * hessian, atol=1e-6)
    np.testing.assert_allclose(on.matrix("recurrent.filter").double().numpy(), 1.4 * length * decoder.T, atol=1e-6)
    assert figure(on, f"largest({TURNED})") == pytest.approx(0, abs=1e-3)  # ISTA reads what the decoder writes


def test_the_rows_of_an_inhibition_are_measured_from_the_identity():
    on = measured()
    row_norm = leaves("metrics")["row_norm"]()
    expected = np.linalg.norm(arrays(on)["inhibition"] - np.eye(5), axis=1)
    np.testing.assert_allclose(row_norm.measure(on, "recurrent.inhibition", "identity"), expected, rtol=1e-6)
    with pytest.raises(RunError, match="square"):
        row_norm.measure(on, "decoder", "identity")


def test_two_figures_of_a_unit_are_correlated_and_compared():
    on = measured()
    angle, known = turned(on), arrays(on)
    norms, means = np.linalg.norm(known["classifier"], axis=0), known["decoder"].mean(0)
    rows = np.linalg.norm(known["inhibition"] - np.eye(5), axis=1)
    expected = np.corrcoef(angle, norms)[0, 1]
    assert figure(on, f"correlation({TURNED}, column_norm(classifier))") == pytest.approx(expected, rel=1e-5)
    inhibition = "row_norm(recurrent.inhibition, identity)"
    expected = np.corrcoef(angle, rows)[0, 1]
    assert figure(on, f"correlation({TURNED}, {inhibition})") == pytest.approx(expected, rel=1e-5)
    bound = float(np.median(angle))
    ratio = means[angle > bound].mean() / means[angle <= bound].mean()
    assert figure(on, f"ratio_above(column_mean(decoder), {TURNED}, {bound})") == pytest.approx(ratio, rel=1e-5)
    assert np.isnan(leaves("metrics")["ratio_above"]().measure(on, torch.ones(3), torch.zeros(3), 1.0))
    with pytest.raises(RunError, match="unit by unit"):
        leaves("metrics")["correlation"]().measure(on, torch.ones(3), torch.zeros(4))


def test_a_unit_is_late_that_is_silent_at_first_and_active_next():
    on = measured()
    known, x = arrays(on), on.given["X"].astype(float)
    first = np.maximum(x @ known["filter"].T - known["threshold"], 0)
    second = np.maximum(x @ known["filter"].T + first @ known["inhibition"].T - known["threshold"], 0)
    expected = ((first == 0) & (second > 1e-3 * np.sqrt((second**2).mean()))).mean(0)
    assert 0 < expected.max() < 1
    np.testing.assert_allclose(leaves("metrics")["late"]().measure(on, "recurrent"), expected, atol=1e-9)


def test_the_mean_of_a_value_is_over_units_and_samples():
    on = measured()
    assert figure(on, "mean(decoder(Z))") == pytest.approx(float(on.value("decoder(Z)").double().mean()), rel=1e-6)
    code = on.solved(None).variables["Z"].double().numpy()
    assert figure(on, "mean(decoder(Z))") == pytest.approx((code @ arrays(on)["decoder"].T).mean(), rel=1e-5)


@pytest.mark.parametrize(
    ("metric", "code", "words"),
    [
        ("largest(angle(recurrent.fillter, decoder))", "FG209", "filter"),
        ("largest(row_norm(recurrent.inhibition, 1))", "FG215", "identity"),
        ("largest(row_norm(recurrent.inhibition))", "FG215", "takes 2"),
        ("share_above(0.7, 0.7)", "FG215", "figure per unit"),
    ],
)
def test_what_is_no_matrix_or_figure_is_told(metric, code, words):
    with pytest.raises(SpecError) as caught:
        loads(SPEC.replace("METRIC", metric))
    (it,) = caught.value.issues
    assert it.code == code and words in f"{it.message} {it.allowed} {it.replacement}"
