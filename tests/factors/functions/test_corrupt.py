"""Noise that is there only while learning."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from factorgraph import compile as compiler
from factorgraph.compile.learning import Learning
from factorgraph.registry import leaves
from factorgraph.run.folder import RunFolder
from factorgraph.spec.load import loads
from factorgraph.training.objective import evaluate
from factorgraph.training.session import StoppedError, resume, train
from factorgraph.training.sides import stretches

Corrupt = leaves("functions")["corrupt"]

SPEC = """
factorgraph: 1
seed: 3
variables:
  Y: {kind: observed, shape: [3]}
functions:
  noise:   {type: corrupt, kind: KIND, amount: 0.4}
  encoder: {type: linear, units: 5, activation: tanh}
  decoder: linear
factors:
  error: {type: squared_distance, between: [Y, decoder(encoder(noise(Y)))]}
learning:
  fit: {loss: energy, steps: 5, batch_size: 16}
data: {source: arrays, file: rows.npy, bind: {Y: array}, test: 20}
"""


def spoiled(seed: int = 0, **options: object) -> torch.Tensor:
    x = torch.full((4000, 6), 0.37, dtype=torch.float64)
    return Corrupt(**options).learn(x, {}, torch.Generator().manual_seed(seed))[0]


def test_gaussian_noise_has_its_deviation() -> None:
    away = spoiled(amount=0.3) - 0.37
    assert abs(float(away.mean())) < 0.01 and abs(float(away.std()) - 0.3) < 0.01
    assert abs(float(torch.corrcoef(away.T)[0, 1])) < 0.08


@pytest.mark.parametrize(("kind", "shares"), [("mask", {0.0: 0.3}), ("salt_pepper", {0.0: 0.15, 1.0: 0.15})])
def test_units_are_silenced_or_lit_in_their_share(kind: str, shares: dict[float, float]) -> None:
    found = spoiled(kind=kind, amount=0.3)
    for value, share in shares.items():
        assert abs(float((found == value).double().mean()) - share) < 0.01
    assert abs(float((found == 0.37).double().mean()) - 0.7) < 0.01


def test_a_share_is_at_most_one() -> None:
    with pytest.raises(ValidationError, match="at most 1"):
        Corrupt(kind="mask", amount=1.5)
    assert Corrupt(amount=1.5).amount == 1.5


@pytest.mark.parametrize("kind", ["gaussian", "mask", "salt_pepper"])
def test_it_is_drawn_anew_each_step_and_a_stopped_run_goes_on_bit_for_bit(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save(tmp_path / "rows.npy", np.random.default_rng(0).random((40, 3)).astype(np.float32))
    (tmp_path / "spec.yaml").write_text(SPEC.replace("KIND", kind))
    drawn: list[bytes] = []
    honest = Corrupt.learn

    def watched(self, x, parameters, random):  # type: ignore[no-untyped-def]
        found = honest(self, x, parameters, random)
        drawn.append((found[0] - x).numpy().tobytes())
        return found

    monkeypatch.setattr(Corrupt, "learn", watched)
    run = train(tmp_path / "spec.yaml", tmp_path / "whole")
    assert len(drawn) == len(set(drawn)) == 5
    with pytest.raises(StoppedError):
        train(tmp_path / "spec.yaml", tmp_path / "run", stop_after=3)
    assert digest(resume(tmp_path / "run").path) == digest(run.path)
    held_out = [each for each in run.metrics if each["split"] == "test"][-1]["energy"]
    y, weights = torch.as_tensor(run.dataset.test["Y"]), {name: each.detach() for name, each in run.model.named_parameters()}
    code = torch.tanh(y @ weights["functions.encoder.matrix"].T + weights["functions.encoder.bias"])
    error = y - code @ weights["functions.decoder.matrix"].T - weights["functions.decoder.bias"]
    assert held_out == pytest.approx(float(error.square().sum(1).mean()), rel=1e-5)  # what is measured is not spoiled


def test_a_linear_map_that_learns_from_noise_shrinks_as_its_closed_form_says() -> None:
    """S (S + sigma^2 I)^-1, of which (R - I) / sigma^2 is the slope of the logarithm of the spoiled data's density."""
    text = """
factorgraph: 1
variables: {Y: {kind: observed, shape: [3]}}
functions: {noise: {type: corrupt, amount: 0.5}, map: {type: linear, bias: false}}
factors: {error: {type: squared_distance, between: [Y, map(noise(Y))]}}
learning: {fit: {loss: energy}}
"""
    model = compiler.build(loads(text)).double()
    root = torch.tensor([[1.0, 0.0, 0.0], [0.6, 0.5, 0.0], [-0.3, 0.2, 0.3]], dtype=torch.float64)
    y = torch.randn(200_000, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64) @ root.T
    (stretch,) = stretches(model, rows=len(y))
    (side,) = stretch.sides()
    optimizer = torch.optim.LBFGS(list(side.names.values()), line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = evaluate(stretch, side, {"Y": y}, Learning(0, ("fit", 0, "model", 0), stretch.learned)).loss
        loss.backward()
        return loss

    optimizer.step(closure)
    found, law = side.names["functions.map.matrix"].detach(), root @ root.T
    wanted = law @ torch.linalg.inv(law + 0.25 * torch.eye(3, dtype=torch.float64))
    assert (found - wanted).norm() < 0.02 * wanted.norm()


def digest(path: Path) -> str:
    tensors = RunFolder.open(path).load_latest().tensors["model"]
    return hashlib.sha256(b"".join(name.encode() + each.numpy().tobytes() for name, each in sorted(tensors.items()))).hexdigest()
