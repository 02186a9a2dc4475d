"""What losses may ask of a batch: the energy with the latent variables removed, at the data and at what stands in its place."""

import pytest
import torch

from factorgraph import compile as compiler
from factorgraph.compile.learning import Learning
from factorgraph.factors.functions.corrupt import Corrupt
from factorgraph.spec.load import loads
from factorgraph.training.objective import Batch, View
from factorgraph.training.sides import stretches

TEXT = """
factorgraph: 1
variables:
  Y:    {kind: observed, shape: [4]}
  Z:    {kind: latent, shape: [6]}
  N:    {kind: noise, shape: [3]}
  fake: {is: generator(N), stands_for: Y}
functions:
  decoder:   {type: linear, bias: false, unit_norm: columns}
  generator: linear
factors:
  error:    {type: squared_distance, between: [Y, decoder(Z)]}
  sparsity: {type: l1, of: Z}
inference:
  best: {method: argmin, of: Z, steps: 200, tolerance: 1e-6}
"""


def test_the_energy_at_a_stand_in_is_the_one_that_inference_finds_there() -> None:
    model = compiler.build(loads(TEXT))
    y, noise = torch.randn(5, 4), torch.randn(5, 3)
    batch = Batch(View(model, model.program, model.inferences), {"Y": y, "N": noise}, ("best",), factors=("error", "sparsity"))
    torch.testing.assert_close(batch.free_energy(), model.infer(None, Y=y).energy)
    kept = dict(batch.shares)
    fake = batch.standing("fake")
    torch.testing.assert_close(fake["Y"], model.evaluate(("generator(N)",), N=noise)["generator(N)"])
    there = batch.at(fake).free_energy()
    torch.testing.assert_close(there, model.infer(None, Y=fake["Y"].detach()).energy)
    assert batch.shares == kept  # the log tells of the data
    matrix = model.get_parameter("functions.generator.matrix")
    (gradient,) = torch.autograd.grad(there.sum(), matrix)
    slope = 2 * (fake["Y"] - model.evaluate(("decoder(Z)",), Z=model.infer(None, Y=fake["Y"].detach())["Z"])["decoder(Z)"])
    torch.testing.assert_close(gradient, (slope.T @ noise).detach(), rtol=1e-3, atol=1e-3)  # that of a minimum: the code stays


SHARED = """
factorgraph: 1
variables:
  Y: {kind: observed, shape: [4]}
  Z: {kind: latent, shape: [6]}
functions:
  decoder: {type: linear, bias: false, unit_norm: columns}
  spoilt:  {type: corrupt, amount: 0.3}
  encoder: {type: linear, activation: shrink}
factors:
  error:      {type: squared_distance, between: [Y, decoder(Z)]}
  prediction: {type: squared_distance, between: [Z, 0.5 * encoder(spoilt(Y))], weight: 0.7}
  sparsity:   {type: l1, of: Z, weight: 0.1}
inference:
  code: METHOD
learning:
  all: {loss: energy, steps: 1}
"""
METHODS = [
    "{method: argmin, of: Z, start: encoder(spoilt(Y)), steps: 200, tolerance: 1e-5}",
    "{method: argmin, of: Z, start: encoder(spoilt(Y)), gradient: unroll, solver: fista, steps: 7}",
    "{method: argmin, of: Z, gradient: implicit, steps: 400, tolerance: 1e-5}",
    "{method: unrolled, of: Z, solver: ista, steps: 3, start: encoder(spoilt(Y))}",
    "{method: amortized, of: Z, by: encoder(spoilt(Y))}",
]


@pytest.mark.parametrize("method", METHODS)
def test_what_the_batch_tells_is_evaluated_once_and_learning_is_the_same(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oracle evaluates it anew wherever it is read. At other tensors than the batch's nothing of the batch is taken."""
    model = compiler.build(loads(SHARED.replace("METHOD", method)))
    source = torch.Generator().manual_seed(0)
    y, other = torch.randn(5, 4, generator=source), torch.randn(5, 4, generator=source)
    (stretch,) = stretches(model, 5)
    parameters = list(stretch.sides()[0].names.values())
    calls: list[int] = []
    forward = Corrupt.learn
    monkeypatch.setattr(Corrupt, "learn", lambda self, *each: calls.append(1) or forward(self, *each))

    def found() -> tuple[list[torch.Tensor], int]:
        learning = Learning(0, ("all", 0, "model", 0), stretch.learned)
        batch = Batch(stretch.view, {"Y": y}, ("code",), learning, tuple(model.graph.factors))
        calls.clear()
        energy = batch.free_energy()
        once = len(calls)
        there = batch.at({"Y": other}).free_energy() + batch.energy({**batch.inferred(), "Y": other})
        slopes = torch.autograd.grad((energy + 0.3 * there).sum(), parameters)
        return [energy, there, *slopes], once

    mine, once = found()
    monkeypatch.setattr(View, "told", lambda *_: ())
    anew, often = found()
    assert once == 1 < often
    for each, known in zip(mine, anew, strict=True):
        torch.testing.assert_close(each, known)
