"""A factor leaves out the rows that lack what it touches, and averages over the rest: in learning, measuring and claims."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import factorgraph
from factorgraph import compile as compiler
from factorgraph.compile.lacking import counted
from factorgraph.errors import FactorgraphError, SpecError
from factorgraph.graph.resolve import resolve
from factorgraph.run.infer import infer, labels_in_words
from factorgraph.spec.load import load, loads
from factorgraph.training.objective import LOSS, evaluate
from factorgraph.training.session import train
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
    nobody = {"L": torch.zeros(7, dtype=torch.bool)}
    assert (counted(graph, shares, nobody, learning=True)["classification"] == 0).all()  # such a batch teaches nothing
    assert counted(graph, shares, nobody)["classification"].isnan().all()  # and nothing was measured
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
    outcome = evaluate(stretch, stretch.sides()[0], given, present={"L": there})
    found = torch.autograd.grad(outcome.loss, parameters)
    solution = model.infer("code", X=x, L=labels)
    shares = model.program.shares(tuple(model.graph.factors), solution.variables, model.tensors())
    loss = shares["reconstruction"].mean() + shares["sparsity"].mean() + shares["classification"][there].mean()
    assert torch.isclose(outcome.loss, loss) and torch.isclose(outcome.numbers[LOSS], loss)
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


def test_a_batch_in_which_no_row_has_it_measures_nothing_of_it(home):
    run = factorgraph.train(load(str(home / "spec.yaml"), ("learning.joint.batch_size=2",)), out=home / "run")
    rows = [each["shares"] for each in run.metrics if each["phase"] == "joint" and each["split"] == "train"]
    without = [each for each in rows if "classification" not in each]
    assert 0 < len(without) < len(rows) and all("reconstruction" in each for each in rows)
    assert not any(each.get("classification") == 0 for each in rows)


def test_what_no_held_out_row_has_is_not_measured(home):
    claims = "expect={c: {claim: c, metric: value(classification), at_most: 0.01}, r: {claim: r, metric: value(reconstruction), "
    claims += "report: true}, e: {claim: e, metric: energy(code), at_most: 0.01}, "
    claims += "w: {claim: w, metric: energy(code), at_least: 0, without: [classification]}}"
    named = "{source: arrays, file: few.npz, test: 0, prepare: [center], bind: {X: image, L: label}}"
    run = factorgraph.train(load(str(home / "spec.yaml"), (f"data.few={named}", claims)), out=home / "run")
    row = [each for each in run.metrics if each["split"] == "test"][-1]
    assert "classification" not in row["shares"] and row["shares"]["reconstruction"] > 0
    found = run.evaluate()
    assert [each.verdict for each in found.verdicts] == ["fails", "reported", "fails", "holds"]
    assert "no held-out row has L" in found.verdicts[0].why and "no held-out row has L" in found.verdicts[2].why
    assert found.as_dict()["procedures"]["code"]["shares"]["classification"] is None
    assert found.report.procedures[0].not_finite == 0  # the energies of the others are numbers


WEIGHTLESS = """
factorgraph: 1
variables:
  X: {kind: observed, shape: [12]}
  L: {kind: observed, shape: [12]}
functions: {map: linear}
factors:
  r: {type: squared_distance, between: [X, map(X)]}
  q: {type: squared_distance, between: [L, map(X)], weight: 0}
  g: {type: gaussian, of: X, precision: scalar, weight: 0}
learning: {fit: {steps: 1}}
data:
  a: {source: arrays, file: a.npz, bind: {X: x, L: y}}
  b: {source: arrays, file: b.npz, bind: {X: x}}
"""


def test_a_factor_without_weight_has_the_same_value_as_one_with_it(tmp_path):
    rng = np.random.default_rng(1)
    np.savez(tmp_path / "a.npz", x=rng.standard_normal((30, 12)), y=rng.standard_normal((30, 12)))
    np.savez(tmp_path / "b.npz", x=rng.standard_normal((40, 12)))
    (tmp_path / "spec.yaml").write_text(WEIGHTLESS)
    on = factorgraph.train(tmp_path / "spec.yaml", out=tmp_path / "run").measured()
    values = on.factor_values("q", on.solved(None))
    there = torch.as_tensor(on.dataset.present["test"]["L"])
    x, y = (torch.from_numpy(on.given[name])[there] for name in ("X", "L"))
    with torch.no_grad():
        expected = ((y - on.model.evaluate(("map(X)",), X=x)["map(X)"]) ** 2).sum(1).mean()
    assert 0 < there.sum() < len(there) and torch.isclose(values.mean(), expected, rtol=1e-5)
    squares = (torch.from_numpy(on.given["X"]).double() ** 2).sum(1)
    values = on.factor_values("g", on.solved(None)).double()  # with a precision that it learns
    slope = (values[1:] - values[0]) / (squares[1:] - squares[0])
    assert torch.allclose(slope, slope[0].expand(len(slope)), rtol=1e-4) and slope[0] > 0


def test_a_users_pictures_need_no_label(home):
    run = factorgraph.train(home / "spec.yaml", out=home / "run")
    np.save(home / "new.npy", np.load(home / "many.npz")["x"][:6])
    assert "6 samples" in next(infer(run, home / "new.npy", home / "out.npz", None))
    with np.load(home / "out.npz") as found:
        assert "share.classification" not in found and np.allclose(
            found["energy"], found["share.reconstruction"] + found["share.sparsity"], rtol=1e-5
        )


CLASSIFIER = """
factorgraph: 1
variables:
  X: {kind: observed, shape: [12]}
  L: {kind: observed, shape: [5], domain: one_hot}
functions: {classifier: linear}
factors: {r: {type: cross_entropy, between: [L, classifier(X)]}}
learning: {fit: {steps: 3, batch_size: 7}}
data: {source: arrays, file: few.npz, labelled: 20, bind: {X: image, L: label}}
"""


def test_a_classifier_that_learned_from_few_labels_predicts(home):
    """No factor counts where labels are what is asked for: there is no energy, and there are predictions."""
    (home / "classifier.yaml").write_text(CLASSIFIER)
    run = factorgraph.train(home / "classifier.yaml", out=home / "run")
    x = np.load(home / "many.npz")["x"][:6].reshape(6, 12).astype(np.float32)
    np.savez(home / "new.npz", X=x)
    said = next(infer(run, home / "new.npz", home / "out.npz", None))
    assert said.startswith("6 samples: no energy") and "nan" not in said
    with np.load(home / "out.npz") as found, torch.no_grad():
        wanted = run.model.evaluate(("classifier(X)",), X=torch.from_numpy(x))["classifier(X)"].numpy()
        assert "energy" not in found and np.allclose(found["reconstruction.L"], wanted, atol=1e-6)
    list(infer(run, home / "new.npz", home / "folder", None))
    assert json.loads((home / "folder" / "summary.json").read_text())["energy"] is None


def test_labels_of_several_pictures_are_told_by_file():
    arrays = {"predicted/L": np.array([1, 0, 1])}
    given = SimpleNamespace(rows=3, files=("a.png", "b.png", "c.png"))
    assert list(labels_in_words(arrays, given)) == ["L: 1 x 0, 2 x 1", "  a.png: 1", "  b.png: 0", "  c.png: 1"]
    assert list(labels_in_words(arrays, SimpleNamespace(rows=3, files=()))) == ["L: 1 x 0, 2 x 1"]


REFUSED = [
    ("inference.code.without=[]", "FG545", "without: [classification]"),
    ("learning.joint.loss={e: energy, p: {type: pulling_away, of: classifier.transpose(L)}}", "FG543", "reads L in of"),
    ("learning.joint.loss={e: energy, c: {type: contraction, of: classifier.transpose(L)}}", "FG543", "the loss contraction"),
    ("inference.code={method: amortized, of: Z, by: classifier.transpose(L)}", "FG545", "reads L in by"),
]


@pytest.mark.parametrize(("change", "code", "text"), REFUSED)
def test_what_needs_every_row_is_told_before_anything_is_read(home, change, code, text):
    with pytest.raises(SpecError) as error:
        spec = load(str(home / "spec.yaml"), (change,))
        graph = resolve(spec)
        compiler.check_rows(spec, graph, compiler.plan(spec, graph))
    assert code in str(error.value) and text in str(error.value)


def test_what_a_loss_puts_in_the_place_of_data_is_made_of_what_every_row_has(home):
    fake = SPEC.replace("functions:\n", "  fake: {is: decoder(classifier.transpose(L)), stands_for: X}\nfunctions:\n")
    fake = fake.replace("joint:      {loss: energy", "joint: {loss: {type: adversarial, fake: fake}, without: [classification]")
    spec = loads(fake, str(home / "spec.yaml"))
    graph = resolve(spec)
    with pytest.raises(SpecError, match=r"adversarial of phase .joint. reads L in fake"):
        compiler.check_rows(spec, graph, compiler.plan(spec, graph))
    every = load(str(home / "spec.yaml"), ("learning.joint.loss={e: energy, p: {type: pulling_away, of: decoder.transpose(X)}}",))
    compiler.check_rows(every, resolve(every), compiler.plan(every))


def test_labels_that_only_the_file_knows_are_told_when_it_is_read(home):
    one = "data={source: arrays, file: few.npz, labelled: 10, bind: {X: image, L: label}}"
    spec = load(str(home / "spec.yaml"), (one, "inference.code.without=[]"))
    with pytest.raises(SpecError, match="FG545"):
        factorgraph.train(spec, out=home / "run")
    ten = factorgraph.train(load(str(home / "spec.yaml"), (one,)), out=home / "ten")
    assert ten.dataset.present["train"]["L"].sum() == 10


@pytest.mark.parametrize("name", ["loss", "active", "unconverged"])
def test_a_factor_with_the_name_of_another_number_of_the_log_is_told_apart(tmp_path, name):
    def first(called):
        text = f"""
factorgraph: 1
variables:
  X: {{kind: observed, shape: [1, 8, 8]}}
  Z: {{kind: latent, shape: [6]}}
functions: {{decoder: {{type: linear, bias: false, unit_norm: columns}}}}
factors:
  {called}: {{type: squared_distance, between: [X, decoder(Z)]}}
  sparsity: {{type: l1, of: Z, weight: 0.1}}
inference: {{optimal: {{method: argmin, of: Z, steps: 3}}}}
learning: {{one: {{loss: energy, steps: 1, batch_size: 12}}}}
data: {{source: digits, count: 40, test: 10, bind: {{X: image}}}}
"""
        row = train(loads(text), tmp_path / called).metrics[0]
        return {**row, "shares": [*row["shares"].values()]}

    assert first(name) == first("reconstruction")
