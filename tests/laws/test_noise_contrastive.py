"""Laws of telling data from noise: what it is, where it ends, where its constant starts, and which noise is none."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from factorgraph import compile as compiler
from factorgraph.compile.model import Model
from factorgraph.compile.noise import draw, log_density
from factorgraph.compile.phases import owner_of
from factorgraph.errors import SpecError
from factorgraph.graph.model import Variable, Written
from factorgraph.graph.resolve import resolve
from factorgraph.lint import strategies_of
from factorgraph.losses.noise_contrastive import NoiseContrastive
from factorgraph.run.claims import judge
from factorgraph.spec.load import loads
from factorgraph.training.covering import uncovered
from factorgraph.training.objective import Batch, View
from factorgraph.training.session import StoppedError, resume, train
from tests.training.test_resume import fingerprint

TEXT = """
factorgraph: 1
seed: 4
variables:
  Y: {kind: observed, shape: [3]}
  X: {kind: observed, shape: [2]}
  Q: {kind: noise, distribution: {type: uniform, low: -3, high: 2.5}, stands_for: Y}
functions:
  net: {type: network, layers: 7fc-fc, activation: tanh}
factors:
  wide:   {type: squared_distance, between: [Y, 0.2], weight: 0.37}
  beside: {type: squared_distance, between: [X, net(Y)], weight: 0.2}
learning:
  before: {loss: energy, steps: 2, batch_size: 10, without: [wide]}
  fit:    {loss: {type: noise_contrastive, noise: Q, ratio: 3}, steps: 4, batch_size: 10, learning_rate: 0.1, train: [net]}
data: {source: arrays, file: rows.npz, test: 10, bind: {Y: y, X: x}}
expect:
  constant: {claim: "what it learned", metric: constant(fit), report: true}
  moved:    {claim: "where it began", metric: constant(fit) - before.constant(fit), report: true}
"""
CONSTANT = "learning.fit.noise_contrastive.constant"


def rows(count: int, *shape: int, seed: int = 1) -> Tensor:
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def seen(model: Model, constant: float = 0.0, **given: Tensor) -> Batch:
    own = {"constant": torch.tensor(constant, dtype=torch.float64, requires_grad=True)}
    return Batch(View(model, model.program, model.inferences), given, (), factors=tuple(model.graph.factors), own=own)


def test_it_is_its_definition_with_as_many_samples_of_noise_as_the_ratio_says() -> None:
    model = compiler.build(loads(TEXT)).double()
    y, x = rows(5, 3), rows(5, 2, seed=2)
    y[0, 1] = 9.0  # no such noise: the row teaches nothing
    batch, loss = seen(model, 1.3, Y=y, X=x), NoiseContrastive(noise="Q", ratio=3)
    drawn = batch.noise("Q", 3)["Y"]
    assert drawn.shape == (15, 3) and drawn.min() >= -3 and 2 < drawn.max() <= 2.5

    def logit(y: Tensor, x: Tensor) -> Tensor:
        return -model.energy(Y=y, X=x) + 1.3 + 3 * math.log(5.5) - math.log(3)

    real, made = torch.sigmoid(logit(y[1:], x[1:])), torch.sigmoid(logit(drawn, x.repeat(3, 1)))
    expected = -(real.log().sum() + (1 - made).log().sum()) / 5
    value = loss.value(batch)
    torch.testing.assert_close(value, expected)
    gradients = [torch.autograd.grad(each, list(model.parameters())[:2]) for each in (value, expected)]
    torch.testing.assert_close(*gradients)


BITS = """
factorgraph: 1
variables:
  Y: {kind: observed, shape: [2], domain: binary}
  Q: {kind: noise, distribution: bernoulli, stands_for: Y}
factors:
  field: {type: bias, of: Y}
"""


@pytest.mark.parametrize("ratio", [1, 4])
def test_the_truth_and_its_partition_function_are_where_it_ends(ratio: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two bits, twice and thrice as likely to be on: each pattern in so many of twelve rows, noise evenly."""
    model = compiler.build(loads(BITS)).double()
    patterns = torch.tensor([[0, 0], [1, 0], [0, 1], [1, 1]], dtype=torch.float64)
    y = patterns.repeat_interleave(torch.tensor([1, 2, 3, 6]), 0)
    monkeypatch.setattr(Batch, "noise", lambda self, variable, several: {"Y": patterns.repeat(3 * several, 1)})
    field = model.get_parameter("factors.field.bias")

    def slope(twice: float, constant: float) -> float:
        with torch.no_grad():
            field.copy_(-torch.tensor([twice, 3.0]).log())
        batch = seen(model, constant, Y=y)
        found = torch.autograd.grad(NoiseContrastive(noise="Q", ratio=ratio).value(batch), [field, batch.own["constant"]])
        return max(each.abs().max().item() for each in found)

    assert slope(2.0, -math.log(12)) < 1e-7
    assert slope(2.1, -math.log(12)) > 1e-3 and slope(2.0, -math.log(12) + 0.1) > 1e-3


def test_the_constant_starts_at_minus_the_logarithm_of_the_partition_function() -> None:
    model = compiler.build(loads(TEXT)).double()
    batch = seen(model, Y=rows(100, 3), X=rows(100, 2))
    batch.factors = ("wide",)
    one = 0.5 * math.sqrt(math.pi / 0.37) * sum(math.erf(math.sqrt(0.37) * each) for each in (3.2, 2.3))
    assert NoiseContrastive(noise="Q").begin(batch)["constant"].item() == pytest.approx(-3 * math.log(one), abs=0.05)


DENSITIES = {
    "normal": torch.distributions.Normal(0.0, 1.0),
    "uniform": torch.distributions.Uniform(torch.tensor(-1.5).double(), 2.5),
    "bernoulli": torch.distributions.Bernoulli(0.5),
}


@pytest.mark.parametrize("kind", DENSITIES)
def test_densities_are_those_of_what_is_drawn(kind: str) -> None:
    noise = Variable("Q", "Q", {}, "noise", (3,), Written(()), distribution=(kind, -1.5, 2.5))
    values = draw(noise, 6, torch.Generator().manual_seed(1)).double()
    expected: Tensor = DENSITIES[kind].log_prob(values).sum(1)  # type: ignore[no-untyped-call]
    torch.testing.assert_close(log_density(noise, values), expected)


def data(folder: Path) -> str:
    rng = np.random.default_rng(0)
    np.savez(folder / "rows.npz", y=rng.standard_normal((60, 3)).clip(-2, 2), x=rng.standard_normal((60, 2)))
    return str(folder / "spec.yaml")


def test_its_constant_is_learned_logged_measured_and_resumed(tmp_path: Path) -> None:
    spec = loads(TEXT, data(tmp_path))
    run = train(spec, tmp_path / "whole")
    seen_at = {row["step"]: row.get("learned") for row in run.metrics if row["split"] == "train"}
    assert seen_at[1] is None and seen_at[2] is None
    logged = [seen_at[step]["noise_contrastive.constant"] for step in range(3, 7)]  # type: ignore[index]
    assert len(set(logged)) == 4 and all(-6 < each < -1 for each in logged)
    found = {each.name: each.values[0] for each in judge(spec, [run.states()])}
    assert found["constant"] == run.model.get_parameter(CONSTANT).item() not in logged
    assert found["moved"] == found["constant"]  # before its phase it is 0
    for step in (2, 3, 5):
        with pytest.raises(StoppedError):
            train(spec, tmp_path / str(step), stop_after=step)
        assert fingerprint(resume(tmp_path / str(step)).path) == fingerprint(run.path)


def test_a_loss_trains_its_constant_whatever_else_is_trained() -> None:
    plan = compiler.plan(loads(TEXT))
    assert CONSTANT in plan.phases[1].parameters and CONSTANT not in plan.phases[0].parameters
    assert {owner_of(each) for each in plan.phases[1].parameters} == {"functions.net", owner_of(CONSTANT)}
    assert compiler.build(loads(TEXT), plan).get_parameter(CONSTANT).item() == 0


def refused(text: str) -> tuple[str, str]:
    with pytest.raises(SpecError) as caught:
        compiler.plan(loads(text))
    (issue,) = caught.value.issues
    assert issue.code == "FG474" and issue.place is not None and issue.place.text.strip().startswith("fit:")
    return issue.message, issue.fix


def test_noise_without_a_density_is_refused_with_what_would_do() -> None:
    noise = "Q: {kind: noise, distribution: {type: uniform, low: -3, high: 2.5}, stands_for: Y}"
    made = "N: {kind: noise, shape: [2]}\n  Q: {is: maker(N), stands_for: Y}"
    message, fix = refused(TEXT.replace(noise, made).replace("functions:\n", "functions:\n  maker: linear\n"))
    assert "Q is derived: nothing tells how likely" in message and "kind: noise, distribution: normal, stands_for: Y" in fix
    assert "adversarial" in fix
    message, fix = refused(TEXT.replace(noise, "Q: {kind: noise, shape: [3]}"))
    assert "Q stands for nothing" in message
    message, fix = refused(TEXT.replace("{type: uniform, low: -3, high: 2.5}", "bernoulli"))
    assert "Q is bernoulli, and Y is real" in message
    bits = TEXT.replace("shape: [3]}", "shape: [3], domain: binary}").replace("shape: [2]}", "shape: [2], domain: binary}")
    message, fix = refused(bits)
    assert "Q is uniform, and Y is binary" in message and "distribution: bernoulli" in fix


def test_noise_that_does_not_cover_the_data_is_warned_of(tmp_path: Path) -> None:
    graph = resolve(loads(TEXT))
    plan = compiler.plan(graph.spec, graph)
    wide = np.array([[0.0, 2.0, -2.9], [2.4, 1.0, 0.0]])
    assert list(uncovered(graph, plan, {"Y": wide})) == []
    (found,) = uncovered(graph, plan, {"Y": wide * np.array([[1.0], [1.25]])})
    assert found.code == "FGW267" and "0.5 of the rows of Y" in found.message and "low: -2.9, high: 3" in found.fix
    told: list[str] = []
    np.savez(tmp_path / "rows.npz", y=4 * rows(60, 3).numpy(), x=rows(60, 2).numpy())
    train(loads(TEXT, str(tmp_path / "spec.yaml")), tmp_path / "run", say=told.append)
    assert any("FGW267" in each for each in told)


def test_explain_names_its_strategy() -> None:
    graph = resolve(loads(TEXT))
    assert "pushed down at the data, up at chosen places: the loss noise_contrastive" in map(
        str, strategies_of(graph, compiler.plan(graph.spec, graph))
    )
