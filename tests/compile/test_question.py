"""Some variables are known, others wanted: what is found is the least energy, against closed forms and brute force."""

from __future__ import annotations

import itertools

import pytest
import torch

from factorgraph import compile as compiler
from factorgraph.compile.question import Partly, ask
from factorgraph.errors import RunError
from factorgraph.spec.load import loads

GAUSSIAN = """
factorgraph: 1
seed: 5
variables:
  Y: {kind: observed, shape: [6]}
  L: {kind: observed, shape: [3], domain: one_hot, given: GIVEN}
  Z: {kind: latent, shape: [4]}
functions:
  decoder:    {type: linear}
  classifier: linear
factors:
  reconstruction: {type: squared_distance, between: [Y, decoder(Z)], weight: 0.7}
  ridge:          {type: squared_distance, between: [Z, 0], weight: 0.37}
  classification: {type: squared_distance, between: [L, classifier(Z)], weight: 0.9}
inference:
  code: {method: argmin, of: Z}
"""
SPARSE = """
factorgraph: 1
seed: 5
variables:
  Y: {kind: observed, shape: [8]}
  A: {kind: latent, shape: [5]}
  B: {kind: latent, shape: [3], domain: nonnegative}
functions:
  left:  {type: linear, bias: false}
  right: {type: linear, bias: false}
factors:
  reconstruction: {type: squared_distance, between: [Y, left(A) + right(B)], weight: 0.7}
  sparsity:       {type: l1, of: A, weight: 0.11}
  ridge:          {type: squared_distance, between: [B, 0], weight: 0.2}
inference:
  both: {method: argmin, of: [A, B], steps: 3000, tolerance: 1e-7}
"""
PROTOTYPES = """
factorgraph: 1
seed: 5
variables:
  Y: {kind: observed, shape: [6]}
  Z: {kind: latent, shape: [4], domain: one_hot}
functions:
  prototypes: {type: linear, bias: false}
factors:
  reconstruction: {type: squared_distance, between: [Y, prototypes(Z)]}
inference:
  nearest: {method: argmin, of: Z}
"""


def built(text, given="training"):
    return compiler.build(loads(text.replace("GIVEN", given))).double()


def parameters(model):
    owners = model.tensors()
    return {f"{owner.split('.')[1]}.{name}": each.detach() for owner, own in owners.items() for name, each in own.items()}


def batch(rows=5, size=6):
    torch.manual_seed(2)
    return torch.randn(rows, size, dtype=torch.float64)


def conditional(joint, linear, known, values):
    """argmin of x' joint x / 2 - linear' x with some of x known: (rows, all)."""
    x = values.clone()
    for row in range(len(x)):
        here = known[row]
        pull = linear[~here] - joint[~here][:, here] @ x[row, here]
        x[row, ~here] = torch.linalg.solve(joint[~here][:, ~here], pull)
    return x


def gaussian(model):
    """The energy over (Y, Z) as a quadratic form."""
    known = parameters(model)
    decoder, bias = known["decoder.matrix"], known["decoder.bias"]
    joint = torch.zeros(10, 10, dtype=torch.float64)
    joint[:6, :6] = torch.eye(6)
    joint[:6, 6:], joint[6:, :6] = -decoder, -decoder.T
    joint[6:, 6:] = decoder.T @ decoder + 0.37 / 0.7 * torch.eye(4)
    return joint, torch.cat([bias, -decoder.T @ bias])


def masked(model, matrix=None, scale=None):
    """A batch of which each row lacks other values, whose raw values are those before ``matrix``."""
    raw = batch()
    known = torch.rand(raw.shape) < 0.6
    prepared = (torch.where(known, raw, 0) @ (torch.eye(6).double() if matrix is None else matrix).T) / (
        1 if scale is None else scale[:, None]
    )
    return raw, known, Partly(prepared, (~known).double(), matrix)


def test_what_is_missing_of_a_gaussian_is_its_conditional_mean():
    model = built(GAUSSIAN)
    raw, known, partly = masked(model)
    found = ask(model, {}, partly={"Y": partly})
    joint, linear = gaussian(model)
    everything = torch.cat([known, torch.zeros(5, 4, dtype=torch.bool)], 1)
    expected = conditional(joint, linear, everything, torch.cat([torch.where(known, raw, 0), torch.zeros(5, 4).double()], 1))
    torch.testing.assert_close(found["Y"], expected[:, :6], rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(found["Z"], expected[:, 6:], rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(found["Y"][known], raw[known])
    assert found.plans[0].solver["type"] == "exact" and not found.notes


def test_behind_a_preparation_it_is_that_of_the_raw_values():
    """Prepared are mixtures of raw values, each row at a scale of its own: what is known are raw values."""
    model = built(GAUSSIAN)
    torch.manual_seed(7)
    matrix, scale = torch.randn(6, 6, dtype=torch.float64), torch.rand(5, dtype=torch.float64) + 0.5
    raw, known, partly = masked(model, matrix, scale)
    found = ask(model, {}, partly={"Y": partly})
    joint, linear = gaussian(model)
    for row in range(5):
        lift = torch.block_diag(matrix / scale[row], torch.eye(4, dtype=torch.float64))
        everything = torch.cat([known[row], torch.zeros(4, dtype=torch.bool)])[None]
        start = torch.cat([torch.where(known[row], raw[row], 0), torch.zeros(4).double()])[None]
        expected = conditional(lift.T @ joint @ lift, lift.T @ linear, everything, start)[0] @ lift.T
        torch.testing.assert_close(found["Y"][row], expected[:6], rtol=1e-7, atol=1e-7)
        torch.testing.assert_close(found["Z"][row], expected[6:], rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("mixed", [False, True])
def test_what_is_missing_of_a_sparse_code_lies_where_no_neighbour_is_lower(mixed):
    """The joint minimum is one of the codes for what is known alone."""
    model = built(SPARSE)
    raw = batch(size=8)
    known = torch.rand(raw.shape) < 0.6
    matrix = torch.linalg.qr(torch.randn(8, 8, dtype=torch.float64))[0] * 1.7 if mixed else None
    prepared = torch.where(known, raw, 0) @ (torch.eye(8).double() if matrix is None else matrix).T
    found = ask(model, {}, partly={"Y": Partly(prepared, (~known).double(), matrix)})
    assert found.plans[0].solver["type"] == "fista" and found.solution.status.tolist() == [0] * 5
    energy = found.solution.energy
    for _ in range(50):
        free = torch.where(known, 0, torch.randn_like(raw)) @ (torch.eye(8).double() if matrix is None else matrix).T
        near = {
            "Y": found["Y"] + 1e-3 * free,
            "A": found["A"] + 1e-3 * torch.randn_like(found["A"]) * (torch.rand_like(found["A"]) < 0.5),
            "B": (found["B"] + 1e-3 * torch.randn_like(found["B"])).clamp_min(0),
        }
        assert (model.energy(**near) > energy - 1e-9).all()


def test_one_of_two_latents_may_be_clamped():
    model = built(SPARSE)
    y, a = batch(size=8), batch(size=5)
    found = ask(model, {"Y": y, "A": a})
    known = parameters(model)
    right, left = known["right.matrix"], known["left.matrix"]
    assert found.plans[0].block == ("B",)
    b = found["B"]
    slope = 1.4 * (right @ b.T + left @ a.T - y.T).T @ right + 0.4 * b
    torch.testing.assert_close(slope[b > 0], torch.zeros_like(slope[b > 0]), atol=1e-4, rtol=0)
    assert (slope[b == 0] > -1e-4).all() and 0 < (b > 0).double().mean() < 1


def test_encoding_is_what_the_spec_says():
    model = built(GAUSSIAN)
    y = batch()
    found = ask(model, {"Y": y})
    assert found.solution.procedure == "code" and not found.plans
    assert torch.equal(found["Z"], model.infer(Y=y)["Z"]) and torch.equal(found.solution.energy, model.infer(Y=y).energy)


def test_a_clamped_code_is_decoded():
    model = built(GAUSSIAN)
    z, known = batch(size=4), parameters(model)
    found = ask(model, {"Z": z}, ["Y"])
    torch.testing.assert_close(found["Y"], z @ known["decoder.matrix"].T + known["decoder.bias"])


def test_a_prototype_is_what_its_unit_stands_for():
    model = built(PROTOTYPES)
    found = ask(model, {"Z": torch.eye(4, dtype=torch.float64)}, ["Y"])
    torch.testing.assert_close(found["Y"], parameters(model)["prototypes.matrix"].T)


def test_a_label_that_is_predicted_later_is_the_lowest_for_the_code():
    model = built(GAUSSIAN)
    y, known = batch(40), parameters(model)
    found = ask(model, {"Y": y}, ["L"])
    z = model.infer(Y=y)["Z"]
    assert torch.equal(found["Z"], z)
    distance = (z @ known["classifier.matrix"].T + known["classifier.bias"])[:, None] - torch.eye(3, dtype=torch.float64)
    assert torch.equal(found["L"].argmax(1), distance.square().sum(2).argmin(1))
    assert len(found["L"].argmax(1).unique()) > 1


def test_a_label_that_inference_sees_is_the_lowest_of_all_with_its_own_code():
    model = built(GAUSSIAN, "always")
    y = batch(40)
    found = ask(model, {"Y": y}, ["L"])
    every = [model.infer(Y=y, L=each.expand(40, 3)) for each in torch.eye(3, dtype=torch.float64)]
    energies = torch.stack([each.energy for each in every], 1)
    assert torch.equal(found["L"].argmax(1), energies.argmin(1))
    torch.testing.assert_close(found.solution.energy, energies.amin(1))
    best = torch.stack([each["Z"] for each in every], 1)[torch.arange(40), energies.argmin(1)]
    torch.testing.assert_close(found["Z"], best)
    assert len(found["L"].argmax(1).unique()) > 1 and len(found.plans) == 1


def test_pixels_of_few_values_are_tried_together():
    text = PROTOTYPES.replace("shape: [6]}", "shape: [6], domain: binary}")
    model = built(text)
    z = torch.eye(4, dtype=torch.float64)
    prototypes = parameters(model)["prototypes.matrix"].T
    patterns = torch.tensor(list(itertools.product([0.0, 1.0], repeat=6)), dtype=torch.float64)
    best = patterns[torch.cdist(prototypes, patterns).argmin(1)]
    torch.testing.assert_close(ask(model, {"Z": z}, ["Y"])["Y"], best)


def test_what_no_factor_tells_is_said_with_what_to_clamp():
    model = built(PROTOTYPES.replace("  Z: {", "  W: {kind: observed, shape: [2]}\n  Z: {"))
    with pytest.raises(RunError, match="nothing tells W: no factor touches it") as caught:
        ask(model, {"Y": batch()}, ["W"])
    assert caught.value.issues[0].code == "FG657"
    text = GAUSSIAN.replace("[L, classifier(Z)]", "[L, classifier(Z) + other(U)]")
    text = text.replace("  classifier: linear", "  classifier: linear\n  other: linear").replace(
        "  Z: {", "  U: {kind: observed, shape: [2]}\n  Z: {"
    )
    with pytest.raises(RunError, match="its factors read U too") as caught:
        ask(built(text), {"Y": batch()}, ["L"])
    assert "clamp U" in caught.value.issues[0].fix


def test_what_a_quadratic_does_not_tell_is_said():
    text = GAUSSIAN.replace("  ridge:          {type: squared_distance, between: [Z, 0], weight: 0.37}\n", "")
    found = ask(built(text), {"L": torch.eye(3, dtype=torch.float64)}, ["Y"])
    (note,) = found.notes
    assert "1 of 10 directions cost nothing" in note and "clamp" in note


@pytest.mark.parametrize("first", [0, 1])
def test_what_one_row_does_not_tell_is_said_wherever_it_is(first):
    text = PROTOTYPES.replace("shape: [4], domain: one_hot", "shape: [4]")
    free = torch.zeros(3, 6, dtype=torch.float64)
    free[first] = 1
    (note,) = ask(built(text), {}, partly={"Y": Partly(batch(3), free)}).notes
    assert "4 of 10 directions cost nothing" in note


@pytest.mark.parametrize(
    ("clamp", "free", "procedure", "code", "words"),
    [
        ({"Q": 6}, [], None, "FG621", "no variable"),
        ({"Y": 6}, ["Q"], None, "FG658", 'no variable "Q"'),
        ({"Y": 6}, ["Y"], None, "FG658", "clamped and free at once"),
        ({"Y": 5}, [], None, "FG621", "must have the shape"),
        ({"Z": 4}, ["Y"], "code", "FG621", "Z is clamped"),
        ({"L": 3}, ["Y"], "code", "FG621", "Y is not known"),
        ({"Y": 6}, [], "cod", "FG620", "no procedure"),
        ({}, ["Y"], None, "FG658", "nothing is clamped"),
    ],
)
def test_questions_that_cannot_be_asked(clamp, free, procedure, code, words):
    with pytest.raises(RunError) as caught:
        ask(built(GAUSSIAN), {name: batch(size=size) for name, size in clamp.items()}, free, procedure=procedure)
    (it,) = caught.value.issues
    assert it.code == code and words in it.message and (it.fix or it.allowed or it.path)
