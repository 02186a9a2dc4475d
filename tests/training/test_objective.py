"""What losses may ask of a batch: the energy with the latent variables removed, at the data and at what stands in its place."""

import torch

from factorgraph import compile as compiler
from factorgraph.spec.load import loads
from factorgraph.training.objective import Batch, View

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
