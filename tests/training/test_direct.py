"""Training a network on the energy at its own code, against the same written out by hand, in double precision."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from factorgraph.compile.model import Model
from factorgraph.run.run import Run
from factorgraph.training.session import train

ROWS = np.random.default_rng(5).standard_normal((40, 7)).astype(np.float32)
STEPS, RATE = 4, 0.03
SPEC = f"""
factorgraph: 1
seed: 2
dims: {{T: [1, 3]}}
indices: {{k: 2}}
variables: {{Y: {{kind: observed, shape: [7]}}, Z: {{kind: latent, shape: [4, 2]}}}}
functions:
  decoder: {{type: linear, bias: false, unit_norm: columns}}
  encoder: {{type: linear, activation: tanh, units: [4, 2]}}
  group:   {{type: pool, kind: l2, window: [1, 2]}}
factors:
  reconstruction: {{type: squared_distance, between: [Y, decoder(Z)], weight: 0.5}}
  sparsity:       {{type: l1, of: Z, weight: 0.2}}
  groups:         {{type: l1, of: group(Z), weight: 0.17}}
inference:
  optimal: {{method: argmin, of: Z}}
  direct:  {{method: unrolled, per: k, of: Z, solver: ista, steps: "T[k] + 1", free: [filter, inhibition, threshold]}}
  fast:    {{method: amortized, of: Z, by: encoder(Y)}}
learning:
  directly:
    {{per: k, loss: energy, inference: "direct[k]", train: "direct[k]", steps: {STEPS}, batch_size: all, learning_rate: {RATE}}}
  encoder:  {{loss: energy, inference: fast, train: encoder, steps: {STEPS}, batch_size: all, learning_rate: {RATE}}}
data: {{source: arrays, file: rows.npz, test: 8, bind: {{Y: Y}}}}
"""


def energy(y: Tensor, z: Tensor, decoder: Tensor) -> Tensor:
    rest = 0.2 * z.abs().sum(1) + 0.17 * z.unflatten(1, (4, 2)).square().sum(2).clamp_min(1e-30).sqrt().sum(1)
    return (0.5 * (y - z @ decoder.T).square().sum(1) + rest).mean()


def unrolled(y: Tensor, own: dict[str, Tensor], steps: int) -> Tensor:
    z = torch.zeros(len(y), 8, dtype=y.dtype)
    for _ in range(steps):
        v = y @ own["filter"].T + z @ own["inhibition"].T
        v = (torch.sign(v) * torch.relu(v.abs() - own["threshold"])).unflatten(1, (4, 2))
        length = v.square().sum(2, keepdim=True).clamp_min(1e-30).sqrt()
        z = (v * torch.relu(1 - own["group_threshold"][:, None] / length)).flatten(1)
    return z


def amortized(y: Tensor, own: dict[str, Tensor]) -> Tensor:
    return torch.tanh(y @ own["matrix"].T + own["bias"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("direct")
    np.savez(folder / "rows.npz", Y=ROWS)
    (folder / "spec.yaml").write_text(SPEC)
    return folder


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    return train(folder / "spec.yaml", folder / "run")


def doubled(model: Model, owner: str) -> dict[str, Tensor]:
    return {name: each.detach().double() for name, each in model.tensors()[owner].items()}


def descended(run: Run, start: dict[str, Tensor], code: Callable[[Tensor, dict[str, Tensor]], Tensor]) -> dict[str, Tensor]:
    """What some steps of Adam on the energy at the code make of parameters; thresholds stay at or above 0."""
    y = torch.as_tensor(run.measured(split="train").given["Y"]).double()
    decoder = doubled(run.model, "functions.decoder")["matrix"]
    own = {name: each.clone().requires_grad_() for name, each in start.items()}
    adam = torch.optim.Adam(own.values(), lr=RATE)
    for _ in range(STEPS):
        adam.zero_grad()
        energy(y, code(y, own), decoder).backward()
        adam.step()
        with torch.no_grad():
            for name in own.keys() & {"threshold", "group_threshold"}:
                own[name].clamp_min_(0)
    return {name: each.detach() for name, each in own.items()}


@pytest.mark.parametrize("slot", [0, 1])
def test_an_unrolled_network_descends_the_energy_at_its_own_code(run: Run, slot: int) -> None:
    owner, first = f"inference.direct[{slot}]", run.measured("start").model
    assert torch.equal(doubled(first, "functions.decoder")["matrix"], doubled(run.model, "functions.decoder")["matrix"])
    first.take(f"direct[{slot}]")
    start = {name: each for name, each in doubled(first, owner).items() if name != "taken"}
    assert sorted(start) == ["filter", "group_threshold", "inhibition", "threshold"]
    found = descended(run, start, lambda y, own: unrolled(y, own, 2 + 2 * slot))
    for name, each in found.items():
        assert (each - start[name]).abs().max() > RATE  # it has learned
        torch.testing.assert_close(doubled(run.model, owner)[name], each, atol=2e-5, rtol=0)


def test_so_does_an_encoder(run: Run) -> None:
    start = doubled(run.measured("start").model, "functions.encoder")
    for name, each in descended(run, start, amortized).items():
        assert (each - start[name]).abs().max() > RATE
        torch.testing.assert_close(doubled(run.model, "functions.encoder")[name], each, atol=2e-5, rtol=0)


def test_one_slot_does_not_learn_what_another_learns(run: Run) -> None:
    """Each phase of the family trains its own: after the first the second still follows its solver."""
    after = run.measured("directly[0]").model
    assert after.taken == {"inference.direct[0]"}
    assert run.measured("directly[1]").model.taken == {"inference.direct[0]", "inference.direct[1]"}
