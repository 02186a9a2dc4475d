"""Samples of what a generator makes, as infer writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from factorgraph.errors import RunError
from factorgraph.run.drawn import drawn
from factorgraph.run.run import Run
from factorgraph.training.session import train

GAME = """
factorgraph: 1
seed: 3
variables:
  Y:    {kind: observed, shape: [3, 5]}
  X:    {kind: observed, shape: [2]}
  N:    {kind: noise, shape: [4], distribution: {type: uniform, low: -0.37, high: 2}}
  fake: {is: generator(N), stands_for: Y}
functions:
  generator: {type: network, layers: 9fc-3x5fc}
  critic:    {type: network, layers: 8fc-fc}
factors:
  realism: {type: value, of: critic(Y), weight: 0.7}
  size:    {type: squared_distance, between: [X, 0]}
learning:
  game:
    steps: 2
    players:
      critic:    {loss: {type: adversarial, fake: fake, only: [realism]}}
      generator: {loss: {type: fool, fake: fake, only: [realism]}}
data: {source: arrays, file: rows.npz, bind: {Y: picture, X: point}, test: 20}
"""
ALONE = GAME.replace("  X:    {kind: observed, shape: [2]}\n", "").replace(", X: point", "")
ALONE = ALONE.replace("  size:    {type: squared_distance, between: [X, 0]}\n", "")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "rows.npz", picture=rng.random((60, 3, 5), np.float32), point=rng.random((60, 2), np.float32))
    return tmp_path


def run_of(home: Path, text: str) -> Run:
    (home / "spec.yaml").write_text(text)
    return Run(train(home / "spec.yaml", home / "run").path)


def test_samples_are_made_of_the_noise_beside_them_with_their_energies(home: Path) -> None:
    run = run_of(home, ALONE)
    found = drawn(run, 1203)  # more than are made at once
    assert found["N"].shape == (1203, 4) and -0.37 <= found["N"].min() < -0.3 and 1.9 < found["N"].max() <= 2
    made = run.model.evaluate(("generator(N)",), N=torch.from_numpy(found["N"]))["generator(N)"].detach()
    assert np.allclose(found["fake"], made.numpy(), atol=1e-6) and np.array_equal(found["fake"], found["Y"])
    assert np.allclose(found.energy, run.model.energy(Y=made).detach().numpy(), atol=1e-6)
    assert np.array_equal(found["fake"], drawn(run, 1203)["fake"])
    assert len(np.unique(found["fake"][:, 0, 0])) == 1203


def test_on_the_command_line_they_are_arrays_and_a_sheet(cli: Any, home: Path) -> None:
    run = run_of(home, ALONE)
    said = cli("infer", str(run.path), "--draw", "7", "-o", str(home / "out"))
    assert said.code == 0 and "7 samples" in said.out
    with np.load(home / "out" / "inferred.npz") as arrays:
        assert arrays["variable.fake"].shape == (7, 3, 5) and arrays["energy"].shape == (7,)
    assert json.loads((home / "out" / "summary.json").read_text())["samples"] == 7
    assert Image.open(home / "out" / "Y.png").size[0] > 5
    both = cli("infer", str(run.path), "--draw", "7", "--clamp", "Y=3", "-o", str(home / "out"))
    assert both.code == 1 and "--clamp and --draw at once" in both.err


@pytest.mark.parametrize("count", [0, -1, 100_001])
def test_a_number_that_nobody_means_is_refused(home: Path, count: int) -> None:
    with pytest.raises(RunError, match="FG660"):
        drawn(run_of(home, ALONE), count)


PLAIN = """
factorgraph: 1
variables:
  Y: {kind: observed, shape: [3, 5]}
  Z: {kind: latent, shape: [4], domain: binary}
functions: {W: linear}
factors: {fit: {type: squared_distance, between: [Y, W(Z)]}}
inference: {sums: {method: marginal, of: Z}}
learning: {fit: {loss: energy, steps: 1}}
data: {source: arrays, file: rows.npz, bind: {Y: picture}, test: 20}
"""
GIVEN = GAME.replace("generator(N), stands", "generator(N) + side(X), stands").replace("functions:", "functions:\n  side: linear")


@pytest.mark.parametrize("text", [PLAIN, GIVEN], ids=["no generator", "one that reads data"])
def test_what_is_not_made_of_noise_alone_is_refused(home: Path, text: str) -> None:
    with pytest.raises(RunError, match="nothing that is observed is made of noise alone"):
        drawn(run_of(home, text), 5)
