"""Curvatures against Jacobians that are written out, steps against formulas, and a run that stops and goes on."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

import factorgraph as fg
from factorgraph.compile.learning import Learning
from factorgraph.errors import SpecError
from factorgraph.spec.load import loads
from factorgraph.training.curved import curvatures
from factorgraph.training.objective import evaluate
from factorgraph.training.session import StoppedError, resume, train
from factorgraph.training.sides import CurvedSide, Moment, stretches
from tests.training.specs import RUN
from tests.training.test_resume import fingerprint

PICTURES = """
factorgraph: 1
variables:
  X: {kind: observed, shape: [1, 5, 5]}
  Z: {kind: observed, shape: [2, 4, 4]}
functions:
  encoder: {type: convolution, kernel: 2, padding: valid, activation: tanh, gain: true}
  decoder: {type: convolution, kernel: 2, padding: full, bias: false}
factors:
  reconstruction: {type: squared_distance, between: [X, decoder(Z)], weight: 0.37}
  prediction:     {type: squared_distance, between: [Z, encoder(X)], weight: 1.3}
  small:          {type: log_cosh, of: encoder(X), weight: 0.7}
  sparsity:       {type: l1, of: encoder(X), weight: 0.2}
learning: {fit: {loss: {energy: {type: energy, weight: 1.7}}, optimizer: {type: diagonal_newton, decay: 0}, learning_rate: 1}}
"""
DRAWS, ROWS = 800, 3


def test_the_mean_estimate_is_the_diagonal_of_the_gauss_newton_matrix() -> None:
    model = fg.build(loads(PICTURES)).double()
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for each in model.parameters():
            each.copy_(torch.randn(each.shape, generator=generator))
    x, z = (torch.randn(ROWS, *shape, generator=generator).double() for shape in ((1, 5, 5), (2, 4, 4)))
    (stretch,) = stretches(model, rows=ROWS)
    (side,) = stretch.sides()
    assert isinstance(side, CurvedSide)

    def residuals(*given: Tensor) -> Tensor:
        encoder, bias, gain, decoder = given
        made = gain.view(1, 2, 1, 1) * torch.tanh(torch.nn.functional.conv2d(x, encoder, bias))
        drawn = torch.nn.functional.conv2d(torch.nn.functional.pad(z, (1, 1, 1, 1)), decoder)
        curved = 0.7**0.5 * made  # log cosh, by 1 at most
        scaled = (0.37 * 2) ** 0.5 * (x - drawn), (1.3 * 2) ** 0.5 * (z - made), curved
        return 1.7**0.5 * torch.cat([each.flatten() for each in scaled])

    names = [f"functions.{each}" for each in ("encoder.matrix", "encoder.bias", "encoder.gain.scale", "decoder.matrix")]
    assert set(names) == set(side.names), "all that the model learns is here"
    wanted = torch.autograd.functional.jacobian(residuals, tuple(side.names[each].detach() for each in names))
    found: dict[str, Tensor] = {}
    batch = evaluate(stretch, side, {"X": x, "Z": z}).batch
    for draw in range(DRAWS):
        batch.learning = Learning(0, ("fit", draw, "model", 0), stretch.learned)
        estimates = curvatures(batch, dict.fromkeys(model.graph.factors, 1.7), list(side.names.values()))
        for name, each in zip(side.names, estimates, strict=True):
            found[name] = found.get(name, 0) + each.detach() / DRAWS  # type: ignore[union-attr]
    for name, jacobian in zip(names, wanted, strict=True):
        torch.testing.assert_close(found[name], jacobian.square().sum(0) / ROWS, rtol=0.25, atol=1e-9)


LINE = """
factorgraph: 1
variables: {X: {kind: observed, shape: [1]}, Y: {kind: observed, shape: [1]}}
functions: {f: {type: linear, bias: false}}
factors: {fit: {type: squared_distance, between: [Y, f(X)], weight: 0.37}}
learning: {fit: {optimizer: {type: diagonal_newton, damping: 0.5, decay: 0.9}, learning_rate: 0.8}}
"""


def test_a_step_is_a_share_of_the_gradient_over_the_mean_curvature() -> None:
    model = fg.build(loads(LINE)).double()
    (stretch,) = stretches(model, rows=1)
    (side,) = stretch.sides()
    slope = next(model.parameters())
    expected, mean = float(slope.detach()), 0.0
    for step, (x, y) in enumerate([(3.0, 2.0), (-1.5, 2.5), (0.5, -1.0)], 1):
        given = {"X": torch.tensor([[x]]).double(), "Y": torch.tensor([[y]]).double()}
        outcome = evaluate(stretch, side, given, Learning(0, ("fit", step, "model", 0), ()))
        side.learn(outcome, Moment(0, is_last=False))
        mean = 0.9 * mean + 0.1 * 2 * 0.37 * x * x
        expected -= 0.8 * 2 * 0.37 * x * (expected * x - y) / (mean / (1 - 0.9**step) + 0.5)
        assert float(slope.detach()) == pytest.approx(expected, rel=1e-12)


NEWTON = RUN.replace("optimizer: {type: sgd, momentum: 0.9}", "optimizer: diagonal_newton").replace(
    "learning_rate: 0.004,", "optimizer: diagonal_newton, learning_rate: 0.004,"
)


def test_a_run_that_was_stopped_goes_on_bit_for_bit(tmp_path: Path) -> None:
    whole = fingerprint(train(loads(NEWTON), tmp_path / "whole").path)
    with pytest.raises(StoppedError, match="--resume"):
        train(loads(NEWTON), tmp_path / "run", stop_after=8)
    assert fingerprint(resume(tmp_path / "run").path) == whole


def test_a_loss_that_is_not_the_energy_is_refused() -> None:
    text = NEWTON.replace("joint: {loss: energy,", "joint: {loss: {type: imitation, teacher: optimal, student: fast},")
    with pytest.raises(SpecError, match=r"FG439.*diagonal_newton divides by the energy's curvature, and the loss is imitation"):
        fg.build(loads(text))
