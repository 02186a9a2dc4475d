"""Optimizers and schedules: torch's classes by name, checked without torch; rates against formulas written out here."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest
import torch
from pydantic import ValidationError

from factorgraph.registry import leaves
from factorgraph.spec.load import loads
from factorgraph.training.optimizers._torch import TorchOptimizer

SPEC = """factorgraph: 1
variables: {Y: {kind: observed, shape: [3]}}
functions: {f: linear}
factors: {fit: {type: squared_distance, between: [Y, f(Y)]}}
learning: {fit: {optimizer: %s, schedule: %s}}
"""
NAMES = sorted(name for name in leaves("optimizers") if issubclass(leaves("optimizers")[name], TorchOptimizer))


def optimizer(words: str) -> TorchOptimizer:
    found = loads(SPEC % (words, "constant")).learning["fit"].first.optimizer
    assert isinstance(found, TorchOptimizer)
    return found


def parameter() -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.tensor([1.5, -0.37, 2.0], dtype=torch.float64))


def test_those_that_the_language_names_are_there() -> None:
    assert NAMES == ["adadelta", "adagrad", "adam", "adamax", "adamw", "asgd", "nadam", "radam", "rmsprop", "rprop", "sgd"]


@pytest.mark.parametrize("name", NAMES)
def test_fields_and_defaults_are_those_of_torch(name: str) -> None:
    cls = leaves("optimizers")[name]
    theirs = inspect.signature(getattr(torch.optim, cls.torch_name).__init__).parameters  # type: ignore[attr-defined]
    for field, info in cls.model_fields.items():
        if field != "type":
            assert theirs[field].default == info.default, field


@pytest.mark.parametrize("name", NAMES)
def test_it_is_torchs_own_and_keeps_a_groups_own_rate(name: str) -> None:
    first, second = parameter(), parameter()
    made = optimizer(name).build([{"params": [first]}, {"params": [second], "lr": 0.01}], 0.37)
    assert type(made) is getattr(torch.optim, optimizer(name).torch_name)
    assert [group["lr"] for group in made.param_groups] == [0.37, 0.01]
    (first.square().sum() + second.square().sum()).backward()
    made.step()
    assert not torch.equal(first, parameter())
    assert torch.isfinite(first).all()


def test_adam_takes_the_step_of_its_paper() -> None:
    p = parameter()
    made = optimizer("{type: adam, betas: [0.5, 0.9], eps: 1e-3}").build([{"params": [p]}], 0.37)
    mean = square = torch.zeros(3, dtype=torch.float64)
    expected = p.detach().clone()
    for step in (1, 2, 3):
        made.zero_grad()
        p.pow(3).sum().backward()
        gradient = 3 * expected.square()
        mean, square = 0.5 * mean + 0.5 * gradient, 0.9 * square + 0.1 * gradient.square()
        expected = expected - 0.37 * (mean / (1 - 0.5**step)) / ((square / (1 - 0.9**step)).sqrt() + 1e-3)
        made.step()
        assert torch.allclose(p, expected, rtol=1e-12)


def test_sgd_with_nesterov_momentum_and_decay() -> None:
    p = parameter()
    made = optimizer("{type: sgd, momentum: 0.9, nesterov: true, weight_decay: 0.1}").build([{"params": [p]}], 0.37)
    expected, kept = p.detach().clone(), torch.zeros(3, dtype=torch.float64)
    for _ in range(3):
        made.zero_grad()
        p.square().sum().backward()
        gradient = 2 * expected + 0.1 * expected
        kept = 0.9 * kept + gradient
        expected = expected - 0.37 * (gradient + 0.9 * kept)
        made.step()
        assert torch.allclose(p, expected, rtol=1e-12)


def rates(words: str) -> list[float]:
    schedule = loads(SPEC % ("adam", words)).learning["fit"].first.schedule
    return [schedule.factor(progress) for progress in (0.0, 0.25, 0.5, 0.75, 1.0)]


def test_schedules() -> None:
    assert rates("constant") == [1, 1, 1, 1, 1]
    assert rates("linear") == [1, 0.75, 0.5, 0.25, 0]
    assert rates("{type: linear, from: 0.5}") == [1, 1, 1, 0.5, 0]
    assert rates("{type: step, at: [0.5, 0.75], factor: 0.2}") == pytest.approx([1, 1, 0.2, 0.04, 0.04])


@pytest.mark.parametrize("words", ["{type: linear, from: 1}", "{type: linear, from: -0.1}", "{type: step, at: [1.5]}", "cosine"])
def test_a_schedule_that_makes_no_sense_is_refused(words: str) -> None:
    with pytest.raises(Exception, match=r"FG2|FG3"):
        rates(words)


def test_fields_are_checked_without_torch() -> None:
    with pytest.raises(ValidationError):
        leaves("optimizers")["adam"].model_validate({"betas": [0.9, 1.0]})
    code = "import sys, factorgraph.registry as r; r.leaves('optimizers'); assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
