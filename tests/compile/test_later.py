"""What is given in training only is seen while it is known: by the energy and by procedures; else both do without."""

from __future__ import annotations

import json
from itertools import islice

import pytest
import torch

from factorgraph import compile as compiler
from factorgraph.compile.plan import describe, from_json
from factorgraph.errors import RunError, SpecError
from factorgraph.graph.resolve import resolve
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
  classifier: {type: linear, bias: false}
factors:
  reconstruction: {type: squared_distance, between: [X, decoder(Z)], weight: 0.7}
  ridge:          {type: squared_distance, between: [Z, 0], weight: 0.37}
  classification: {type: squared_distance, between: [L, classifier(Z)], weight: 0.9}
inference:
  code: {method: argmin, of: Z}
"""


@pytest.fixture
def model():
    return compiler.build(loads(SPEC)).double()


@pytest.fixture
def batch():
    torch.manual_seed(2)
    return {"X": torch.randn(5, 6, dtype=torch.float64), "L": torch.eye(3, dtype=torch.float64)[[0, 2, 1, 1, 0]]}


def solved(model, x, label=None):
    """The code in closed form."""
    decoder, classifier = (model.tensors()[f"functions.{name}"]["matrix"].detach() for name in ("decoder", "classifier"))
    hessian = 0.7 * decoder.T @ decoder + 0.37 * torch.eye(4, dtype=torch.float64)
    pull = 0.7 * x @ decoder
    if label is not None:
        hessian = hessian + 0.9 * classifier.T @ classifier
        pull = pull + 0.9 * label @ classifier
    return torch.linalg.solve(hessian, pull.T).T


def test_a_known_label_is_inferred_from_and_an_unknown_one_is_not(model, batch):
    with_label = model.infer(**batch)
    torch.testing.assert_close(with_label["Z"], solved(model, **dict(zip(("x", "label"), batch.values(), strict=True))))
    without = model.infer(X=batch["X"])
    torch.testing.assert_close(without["Z"], solved(model, batch["X"]))
    assert "classification" not in without.shares and "L" not in without.variables


def test_a_held_out_label_counts_in_the_energy_and_is_not_inferred_from(model, batch):
    found = model.predict(**batch)
    z = solved(model, batch["X"])
    torch.testing.assert_close(found["Z"], z)
    classifier = model.tensors()["functions.classifier"]["matrix"].detach()
    torch.testing.assert_close(found.shares["classification"], 0.9 * (batch["L"] - z @ classifier.T).square().sum(1))


def test_the_path_of_a_search_is_that_of_what_is_known(batch):
    model = compiler.build(loads(SPEC.replace("of: Z}", "of: Z, solver: gradient}"))).double()
    found = next(islice(model.approach("code", X=batch["X"]), 200, None))
    torch.testing.assert_close(found["Z"], solved(model, batch["X"]))
    assert model.limited("code", 1, 0.0).inferences["code"].later.method.steps == 1


def test_both_plans_are_stored_and_read_back(model):
    spec = loads(SPEC)
    plan = compiler.plan(spec)
    own = plan.procedures["code"]
    assert own.factors == ("reconstruction", "ridge", "classification") and own.later.factors == ("reconstruction", "ridge")
    again = from_json(json.loads(plan.to_json()))
    assert again == plan
    compiler.check_plan(resolve(spec), again.procedures)
    assert "without classification, which read what is given in training only" in describe(own, "")
    with pytest.raises(RunError, match="given at other times"):
        compiler.check_plan(resolve(loads(SPEC.replace(", given: training", ""))), again.procedures)


def test_a_procedure_that_does_not_see_the_label_is_planned_once(model):
    plan = compiler.plan(loads(SPEC.replace("of: Z}", "of: Z, without: [classification]}")))
    assert plan.procedures["code"].later is None


@pytest.mark.parametrize(
    ("procedure", "code", "where", "fix"),
    [
        ("{method: amortized, of: Z, by: encoder(L)}", "FG451", ("inference", "code", "by"), "always for L"),
        ("{method: argmin, of: Z, start: encoder(L)}", "FG451", ("inference", "code", "start"), "always for L"),
        ("{method: unrolled, of: Z, steps: 3, free: [filter]}", "FG452", ("inference", "code"), "without: [classification]"),
    ],
)
def test_what_would_need_the_label_always_is_refused(procedure, code, where, fix):
    text = SPEC.replace("{method: argmin, of: Z}", procedure).replace("classifier: {", "encoder: linear\n  classifier: {")
    text = text if "encoder(" in procedure else text.replace("  encoder: linear\n", "")
    with pytest.raises(SpecError) as caught:
        compiler.plan(loads(text))
    (it,) = caught.value.issues
    assert (it.code, it.path) == (code, where) and fix in it.fix


def test_matrices_that_do_not_see_the_label_may_be_learned():
    procedure = "{method: unrolled, of: Z, steps: 3, free: [filter], without: [classification]}"
    plan = compiler.plan(loads(SPEC.replace("{method: argmin, of: Z}", procedure)))
    assert any(each.method == "unrolled" for each in plan.procedures.values())


def test_learning_sees_the_label():
    """The gradient of the energy at the code that is inferred with the label."""
    from factorgraph.training.objective import evaluate
    from factorgraph.training.sides import stretches

    model = compiler.build(loads(SPEC + "learning: {fit: {loss: energy, steps: 1}}\n")).double()
    torch.manual_seed(2)
    x, label = torch.randn(5, 6, dtype=torch.float64), torch.eye(3, dtype=torch.float64)[[0, 2, 1, 1, 0]]
    (stretch,) = stretches(model, 5)
    side = stretch.sides()[0]
    outcome = evaluate(stretch, side, model.assign({"X": x, "L": label}))
    known = outcome.batch.inferred()
    torch.testing.assert_close(known["Z"], solved(model, x, label))
    assert float(outcome.batch.shares["classification"].detach().sum()) > 0
