"""A factor leaves out the rows that lack what it touches, and averages over the rest: in learning, measuring and claims."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import factorgraph
from factorgraph import compile as compiler
from factorgraph.compile.lacking import counted
from factorgraph.errors import FactorgraphError, SpecError
from factorgraph.graph.resolve import resolve
from factorgraph.run.infer import infer
from factorgraph.spec.load import load, loads
from factorgraph.training.objective import evaluate
from factorgraph.training.sides import stretches

SPEC = """
factorgraph: 1
seed: 3
variables:
  X: {kind: observed, shape: [4, 3]}
  L: {kind: observed, shape: [5], domain: one_hot}
  Z: {kind: latent, shape: [6]}
functions:
  decoder: {type: linear, unit_norm: columns}
  classifier: linear
factors:
  reconstruction: {type: squared_distance, between: [X, decoder(Z)], weight: 0.37}
  sparsity:       {type: l1, of: Z, weight: 0.2}
  classification: {type: squared_distance, between: [L, classifier(Z)], weight: 0.5}
inference:
  code: {method: argmin, of: Z, without: [classification], steps: 30}
learning:
  features:   {loss: energy, without: [classification], steps: 4, batch_size: 20}
  supervised: {loss: energy, only: [classification], epochs: 2, batch_size: 15}
  joint:      {loss: energy, steps: 6, batch_size: 20, learning_rate: 0.01}
data:
  few:  {source: arrays, file: few.npz, prepare: [center], bind: {X: image, L: label}}
  many: {source: arrays, file: many.npz, prepare: [center], bind: {X: x}}
expect:
  low: {claim: "it learns at all", metric: value(classification) / start.value(classification), at_most: 1.0}
"""


@pytest.fixture
def home(tmp_path):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "few.npz", image=rng.standard_normal((50, 4, 3)), label=np.arange(50) % 5)
    np.savez(tmp_path / "many.npz", x=rng.standard_normal((90, 4, 3)))
    (tmp_path / "spec.yaml").write_text(SPEC)
    return tmp_path


def test_the_mean_over_the_batch_is_the_mean_over_the_rows_that_have_it():
    graph = resolve(loads(SPEC, "spec.yaml"))
    shares = {key: torch.rand(7, dtype=torch.float64) for key in graph.factors}
    there = torch.tensor([True, False, True, True, False, False, True])
    found = counted(graph, shares, {"L": there})
    assert found["reconstruction"] is shares["reconstruction"] and found["sparsity"] is shares["sparsity"]
    assert torch.isclose(found["classification"].mean(), shares["classification"][there].mean(), rtol=1e-15)
    assert (found["classification"][~there] == 0).all()
    assert (counted(graph, shares, {"L": torch.zeros(7, dtype=torch.bool)})["classification"] == 0).all()
    meta = counted(graph, {key: each.to("meta") for key, each in shares.items()}, {"L": there.to("meta")})
    assert meta["classification"].shape == (7,)


def test_gradients_are_those_of_each_factor_over_its_own_rows():
    spec = loads(SPEC, "spec.yaml")
    model = compiler.build(spec)
    (stretch,) = [each for each in stretches(model, 100) if each.id == "joint"]
    x, there = torch.randn(8, 4, 3), torch.tensor([True] * 3 + [False] * 5)
    labels = torch.where(there[:, None], torch.eye(5)[torch.arange(8) % 5], torch.zeros(8, 5))
    given = model.assign({"X": x, "L": labels})
    parameters = list(model.parameters())
    outcome = evaluate(
        stretch.view, stretch.phase, stretch.phase.sides()["model"], stretch.procedures, given, present={"L": there}
    )
    found = torch.autograd.grad(outcome.loss, parameters)
    solution = model.infer("code", X=x, L=labels)
    shares = model.program.shares(tuple(model.graph.factors), solution.variables, model.tensors())
    loss = shares["reconstruction"].mean() + shares["sparsity"].mean() + shares["classification"][there].mean()
    assert torch.isclose(outcome.loss, loss) and torch.isclose(outcome.numbers[0], loss)
    for one, other in zip(found, torch.autograd.grad(loss, parameters), strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_a_run_learns_measures_resumes_and_is_evaluated(home):
    whole = factorgraph.train(home / "spec.yaml", out=home / "whole")
    with pytest.raises(FactorgraphError, match="FG675"):
        factorgraph.train(home / "spec.yaml", out=home / "parts", stop_after=12)
    parts = factorgraph.open(home / "parts").resume()
    for (name, one), (_, other) in zip(whole.model.named_parameters(), parts.model.named_parameters(), strict=True):
        assert torch.equal(one, other), name
    rows = whole.metrics
    assert sum(each["phase"] == "supervised" and each["split"] == "train" for each in rows) == 6  # 45 labelled rows, not 126
    assert json.loads((Path(whole.path) / "data.json").read_text())["lacks"] == ["L"]
    on = whole.measured()
    solved, there = on.solved("code"), torch.as_tensor(whole.dataset.present["test"]["L"])
    raw = whole.model.infer("code", **{name: torch.from_numpy(each) for name, each in whole.dataset.test.items()})
    expected = raw.shares["classification"][there].mean()
    assert 0 < there.sum() < len(there) and torch.isclose(solved.shares["classification"].mean(), expected)
    last = [each for each in rows if each["split"] == "test"][-1]
    assert np.isclose(last["shares"]["classification"], expected.item(), rtol=1e-5)
    assert np.isclose(float(solved.energy.mean()), last["energy"], rtol=1e-5)
    assert whole.evaluate().verdicts[0].values == parts.evaluate().verdicts[0].values


def test_a_users_pictures_need_no_label(home):
    run = factorgraph.train(home / "spec.yaml", out=home / "run")
    np.save(home / "new.npy", np.load(home / "many.npz")["x"][:6])
    assert "6 samples" in next(infer(run, home / "new.npy", home / "out.npz", None))
    with np.load(home / "out.npz") as found:
        assert "share.classification" not in found and np.allclose(
            found["energy"], found["share.reconstruction"] + found["share.sparsity"], rtol=1e-5
        )


REFUSED = [
    ("inference.code.without=[]", "FG545", "without: [classification]"),
    ("inference.code={method: amortized, of: Z, by: classifier.transpose(L)}", "FG545", "reads L in by"),
]


@pytest.mark.parametrize(("change", "code", "text"), REFUSED)
def test_what_needs_every_row_is_told_before_anything_is_read(home, change, code, text):
    with pytest.raises(SpecError) as error:
        spec = load(str(home / "spec.yaml"), (change,))
        graph = resolve(spec)
        compiler.check_rows(spec, graph, compiler.plan(spec, graph))
    assert code in str(error.value) and text in str(error.value)


def test_labels_that_only_the_file_knows_are_told_when_it_is_read(home):
    one = "data={source: arrays, file: few.npz, labelled: 10, bind: {X: image, L: label}}"
    spec = load(str(home / "spec.yaml"), (one, "inference.code.without=[]"))
    with pytest.raises(SpecError, match="FG545"):
        factorgraph.train(spec, out=home / "run")
    ten = factorgraph.train(load(str(home / "spec.yaml"), (one,)), out=home / "ten")
    assert ten.dataset.present["train"]["L"].sum() == 10
