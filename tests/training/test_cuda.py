"""On a CUDA device: the numbers of the CPU, no step that waits for the device, and runs that resume bit for bit."""

from __future__ import annotations

import math
import warnings
from pathlib import Path

import pytest
import torch
from torch import Tensor

from factorgraph import compile as compiler
from factorgraph.compile.learning import Learning
from factorgraph.compile.model import Model
from factorgraph.inference.loop import CHECK_EVERY
from factorgraph.kernels.build import SWITCH
from factorgraph.spec.load import loads
from factorgraph.spec.schema import Spec
from factorgraph.training import replay
from factorgraph.training.objective import evaluate
from factorgraph.training.pace import Moment
from factorgraph.training.replay import WARM, Replay
from factorgraph.training.session import StoppedError, resume, train
from factorgraph.training.sides import stretches
from tests.training.specs import RUN
from tests.training.test_meta import models
from tests.training.test_resume import fingerprint

LAPACK = 4  # decompositions look at their own results: a minimum in closed form, once a pass, and orthonormal rows

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device")


def sample(model: Model, rows: int) -> dict[str, Tensor]:
    """Something for every observed variable, in its domain."""
    generator = torch.Generator().manual_seed(0)
    drawn = {}
    for name, shape in model.graph.sample_shapes.items():
        normal = torch.randn(rows, *shape, generator=generator, dtype=torch.float64)
        if model.graph.variables[name].domain in ("one_hot", "simplex"):
            normal = torch.nn.functional.one_hot(normal.flatten(1).argmax(1), normal[0].numel()).double().reshape(normal.shape)
        drawn[name] = normal
    return drawn


@pytest.mark.parametrize("spec", models(), ids=lambda each: each.name)
def test_codes_and_energies_are_those_of_the_cpu(spec: Spec, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the same steps: what is compiled searches otherwise, to the same tolerance."""
    monkeypatch.setenv(SWITCH, "0")
    model = compiler.build(spec).double()
    values = sample(model, 5)
    latent = [name for name, each in model.inferences.items() if each.of_latents]
    here = {name: model.infer(procedure=name, **values).energy for name in latent}
    model = model.to("cuda")
    for name, energy in here.items():
        there = model.infer(procedure=name, **{each: value.cuda() for each, value in values.items()}).energy
        assert there.device.type == "cuda"
        torch.testing.assert_close(there.cpu(), energy, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("spec", models(), ids=lambda each: each.name)
def test_a_step_of_learning_waits_between_blocks_of_iterations_only(spec: Spec) -> None:
    model = compiler.build(spec).to("cuda")
    values = {name: value.float().cuda() for name, value in sample(model, 5).items()}
    given = model.with_noise(model.assign(values))
    for stretch in stretches(model, rows=100):
        stretch.begin()
        for side in stretch.sides():
            for _ in range(2):  # the first step loads libraries
                with warnings.catch_warnings(record=True) as heard:
                    warnings.simplefilter("always")
                    torch.cuda.set_sync_debug_mode("warn")
                    try:
                        learning = Learning(0, (stretch.id, 0, side.plan.player, 0), stretch.learned)
                        outcome = evaluate(stretch, side, given, learning)
                        side.learn(outcome, Moment(0.5, is_last=True))
                        model.project()
                    finally:
                        torch.cuda.set_sync_debug_mode("default")
            waits = [f"{each.filename}:{each.lineno}" for each in heard if "synchronizing" in str(each.message)]
            methods = [each.method for each in stretch.view.inferences.values()]  # a loss may call more than the phase does
            blocks = sum(math.ceil(getattr(each, "steps", 0) / CHECK_EVERY) for each in methods)
            assert len(waits) <= 3 * blocks + LAPACK, waits  # the check, and the rows that go on


@pytest.mark.parametrize("step", [1, 4, 5, 9, 12])
def test_a_stopped_run_goes_on_bit_for_bit(step: int, tmp_path: Path) -> None:
    whole = fingerprint(train(loads(RUN), tmp_path / "whole", device="cuda").path)
    with pytest.raises(StoppedError, match="--resume"):
        train(loads(RUN), tmp_path / "run", stop_after=step, device="cuda")
    assert fingerprint(resume(tmp_path / "run", device="cuda").path) == whole


def test_what_a_run_learns_is_what_it_learns_on_the_cpu(tmp_path: Path) -> None:
    spec = loads(RUN.replace("-0.3drop", ""))  # what is dropped is drawn on the device
    runs = [train(spec, tmp_path / device, device=device) for device in ("cpu", "cuda")]
    cpu, cuda = (each.folder.load_latest().tensors["model"] for each in runs)
    for name, value in cpu.items():
        torch.testing.assert_close(cuda[name], value, rtol=1e-3, atol=1e-4, msg=name)


STEADY = """
factorgraph: 1
variables: {Y: {kind: observed, shape: [25]}, N: {kind: noise, shape: [25]}, Z: {kind: latent, shape: [9]}}
functions:
  decoder: {type: linear, bias: false, unit_norm: columns}
  encoder: {type: network, layers: 12fc-bn-9fc}
factors:
  reconstruction: {type: squared_distance, between: [Y, decoder(Z)]}
  prediction:     {type: squared_distance, between: [Z, encoder(Y + 0.1 * N)], weight: 0.5}
  sparsity:       {type: l1, of: Z, weight: 0.3}
inference:
  optimal: {method: argmin, of: Z, start: encoder(Y), steps: 40}
learning: {joint: {loss: energy, epochs: 4, batch_size: 16, learning_rate: 0.004, schedule: linear}}
data: {source: natural_patches, size: 5, count: 100, test: 20, prepare: [remove_mean, {whiten: 0.02}], bind: {Y: image}}
expect: {low: {claim: "it learns", metric: energy(optimal) / start.energy(optimal), at_most: 1.0}}
"""


def test_steps_that_are_recorded_learn_the_same_to_the_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    launched = []
    launch = torch.cuda.CUDAGraph.replay
    monkeypatch.setattr(torch.cuda.CUDAGraph, "replay", lambda graph: launched.append(graph) or launch(graph))
    recorded = train(loads(STEADY), tmp_path / "recorded", device="cuda")
    steps = sum(each["split"] == "train" for each in recorded.folder.metrics.rows())
    assert len(launched) == steps - WARM and len(set(map(id, launched))) == 1
    with pytest.raises(StoppedError):
        train(loads(STEADY), tmp_path / "halted", stop_after=11, device="cuda")
    resumed = resume(tmp_path / "halted", device="cuda")
    monkeypatch.setattr(Replay, "__call__", lambda self, given, step, reads_more: step(given))
    launched.clear()
    eager = train(loads(STEADY), tmp_path / "eager", device="cuda")
    assert not launched and fingerprint(recorded.path) == fingerprint(eager.path) == fingerprint(resumed.path)


@pytest.mark.parametrize("layer", ["0.3drop", "12fc"])
def test_a_step_that_draws_on_the_device_is_not_recorded(layer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = []
    record = Replay._recorded
    monkeypatch.setattr(Replay, "_recorded", lambda *given: recorded.append(given[0]) or record(*given))
    train(loads(STEADY.replace("12fc-bn-9fc", f"12fc-{layer}-9fc")), tmp_path / "run", device="cuda")
    assert bool(recorded) == (layer == "12fc")


def test_what_cannot_be_recorded_after_all_goes_on_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = STEADY.replace("12fc-bn-9fc", "12fc-bn-0.3drop-9fc")
    eager = train(loads(spec), tmp_path / "eager", device="cuda")
    monkeypatch.setattr(replay, "_heard", lambda step: (False, step()))
    monkeypatch.setattr(Learning, "drew", False)
    recorded: list[object] = []
    record = Replay._recorded
    monkeypatch.setattr(Replay, "_recorded", lambda *given: recorded.append(given[0]) or record(*given))
    assert fingerprint(train(loads(spec), tmp_path / "run", device="cuda").path) == fingerprint(eager.path)
    assert len(recorded) == 1


def test_a_wait_is_heard() -> None:
    one = torch.ones((), device="cuda")
    assert replay._heard(lambda: ({}, {"one": one + 1}))[0] is False
    assert replay._heard(lambda: ({}, {"one": one + one.item()}))[0] is True


@pytest.mark.parametrize("optimizer", ["adam", "nadam", "{type: sgd, momentum: 0.9}", "adagrad", "rprop"])
def test_a_run_goes_on_on_another_kind_of_device(optimizer: str, tmp_path: Path) -> None:
    spec = STEADY.replace("schedule: linear", f"optimizer: {optimizer}")
    for first, then in (("cuda", "cpu"), ("cpu", "cuda")):
        with pytest.raises(StoppedError):
            train(loads(spec), tmp_path / first, stop_after=11, device=first)
        done = resume(tmp_path / first, device=then)
        assert all(math.isfinite(each["loss"]) for each in done.folder.metrics.rows() if each["split"] == "train")
