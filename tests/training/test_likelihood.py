"""Maximum likelihood, exactly: gradients by their definition, minima that are known, and what scikit-learn finds."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import factorgraph as fg
from factorgraph import compile as compiler
from factorgraph.compile.model import Model
from factorgraph.errors import SpecError
from factorgraph.losses.likelihood import Likelihood
from factorgraph.spec.load import loads
from factorgraph.training.covering import beyond
from factorgraph.training.objective import Batch, View

SPECS = Path(__file__).parents[2] / "specs"
MACHINE = """
factorgraph: 1
variables:
  Y: {kind: observed, shape: [4], domain: binary}
  Z: {kind: latent, shape: [3], domain: binary}
functions:
  W: {type: linear, bias: false}
factors:
  interaction:  {type: inner_product, between: [Z, W(Y)], weight: -1}
  visible_bias: {type: bias, of: Y}
  hidden_bias:  {type: bias, of: Z}
inference:
  free_energy: {method: marginal, of: Z, beta: BETA}
  everything:  {method: marginal, of: [Y, Z], beta: BETA}
  other:       {method: marginal, of: [Y, Z], beta: 2.5}
  fewer:       {method: marginal, of: [Y, Z], beta: BETA, without: hidden_bias}
  best:        {method: argmin, of: Z}
learning:
  fit: {loss: {type: likelihood, partition: everything}, steps: 3}
"""


def machine(beta: float = 1.0) -> Model:
    model = compiler.build(loads(MACHINE.replace("BETA", f"{beta}"))).double()
    source = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for each in model.parameters():
            each.copy_(torch.randn(each.shape, generator=source))
    return model


def loss(model: Model, y: Tensor) -> Tensor:
    view = View(model, model.program, model.inferences)
    batch = Batch(view, {"Y": y}, ("free_energy",), factors=tuple(model.graph.factors))
    return Likelihood(partition="everything").value(batch)


def bits(units: int) -> Tensor:
    return torch.tensor(list(itertools.product((0.0, 1.0), repeat=units)), dtype=torch.float64)


@pytest.mark.parametrize("beta", [1.0, 0.4])
def test_the_gradient_is_that_of_both_terms_and_of_differences(beta: float) -> None:
    model, y = machine(beta), bits(4)[[1, 5, 5, 14]]
    parameters = list(model.parameters())
    gradient = torch.autograd.grad(loss(model, y), parameters)

    def free(at: Tensor) -> Tensor:
        energies = torch.stack([model.energy(Y=at, Z=z.expand(len(at), 3)) for z in bits(3)], 1)
        return -torch.logsumexp(-beta * energies, 1) / beta

    chance = torch.softmax(-beta * free(bits(4)), 0).detach()
    two_terms = torch.autograd.grad(free(y).mean() - (chance * free(bits(4))).sum(), parameters)
    for one, other, parameter in zip(gradient, two_terms, parameters, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)
        flat = parameter.detach().view(-1)
        for place in range(len(flat)):
            kept, ends = flat[place].item(), []
            for move in (1e-5, -1e-5):
                flat[place] = kept + move
                ends.append((free(y).mean() + torch.logsumexp(-beta * free(bits(4)), 0) / beta).item())
            flat[place] = kept
            assert one.view(-1)[place].item() == pytest.approx((ends[0] - ends[1]) / 2e-5, abs=1e-6)


def test_its_value_is_minus_the_mean_log_likelihood() -> None:
    model, y = machine(), bits(4)[[1, 5, 5, 14]]
    joint = torch.stack([model.energy(Y=bits(4), Z=z.expand(16, 3)) for z in bits(3)], 1)
    log_chance = torch.logsumexp(-joint, 1) - torch.logsumexp(-joint.flatten(), 0)
    assert loss(model, y).item() == pytest.approx(-log_chance[[1, 5, 5, 14]].mean().item(), abs=1e-10)


GAUSSIAN = """
factorgraph: 1
variables:
  Y: {kind: observed, shape: [2]}
factors:
  width: {type: squared_distance, between: [Y, 0], weight: 0.5}
  pull:  {type: bias, of: Y}
inference:
  everything: {method: marginal, of: Y, SOLVER}
learning:
  fit: {loss: {type: likelihood, partition: everything}, steps: 300, batch_size: all, learning_rate: 0.05, schedule: linear}
data: {source: curve, shape: parabola, count: 200, bind: {Y: point}}
"""


@pytest.mark.parametrize("solver", ["solver: exact", "solver: {type: grid, range: 5, points: 60}"])
def test_the_minimum_has_the_mean_of_the_data(solver: str, tmp_path: Path) -> None:
    """Of a Gaussian whose width is given: the mean is minus the learned slope."""
    run = fg.train(loads(GAUSSIAN.replace("SOLVER", solver)), out=tmp_path / "run")
    mean = np.asarray(run.dataset.train["Y"]).mean(0)
    np.testing.assert_allclose(-run.model.tensors()["factors.pull"]["bias"].detach().numpy(), mean, atol=2e-3)


@pytest.mark.parametrize(
    ("partition", "told"),
    [
        ("free_energy", "over nothing that is observed"),
        ("best", "its method is argmin"),
        ("fewer", "hidden_bias counts in one of them"),
        ("other", "its beta is 2.5"),
    ],
)
def test_what_is_not_the_partition_function_of_the_energy_is_refused(partition: str, told: str) -> None:
    text = MACHINE.replace("BETA", "1").replace("partition: everything", f"partition: {partition}")
    with pytest.raises(SpecError) as caught:
        compiler.plan(loads(text))
    assert [each.code for each in caught.value.issues] == ["FG454"] and told in caught.value.issues[0].message


def test_a_phase_does_not_infer_by_what_sums_the_data_out() -> None:
    text = MACHINE.replace("BETA", "1").replace("steps: 3}", "steps: 3, inference: everything}")
    with pytest.raises(SpecError) as caught:
        compiler.plan(loads(text))
    assert "FG454" in [each.code for each in caught.value.issues]


# --- scikit-learn ---------------------------------------------------------------------------------------------------------------


def changed(name: str, **changes: object) -> Model:
    return fg.build(fg.load(str(SPECS / name), set=tuple(f"{key}={each}" for key, each in changes.items()))).double()


def test_a_mixture_is_that_of_scikit_learn() -> None:
    mixture = pytest.importorskip("sklearn.mixture")
    random = np.random.default_rng(1)
    points = np.concatenate([random.normal(size=(60, 2)) * (0.3, 0.1) + at for at in ((0, 0), (1, 0.5), (-0.4, 0.8))])
    found = mixture.GaussianMixture(3, random_state=0).fit(points)
    model = fg.build(loads((SPECS / "toy" / "gmm.yaml").read_text().replace("shape: [20]", "shape: [3]"))).double()
    tensors = model.tensors()
    covariances = torch.tensor(found.covariances_) - 1e-4 * torch.eye(2, dtype=torch.float64)  # the floor is added again
    roots = torch.linalg.cholesky(covariances)
    with torch.no_grad():
        tensors["functions.means"]["matrix"].copy_(torch.tensor(found.means_).T)
        tensors["factors.component"]["factor"].copy_(roots.tril(-1) + roots.diagonal(dim1=1, dim2=2).log().diag_embed())
        tensors["factors.share"]["logits"].copy_(torch.tensor(found.weights_).log())
    y = torch.tensor(random.normal(size=(50, 2)))
    solution = model.infer("responsibility", Y=y)
    np.testing.assert_allclose(solution.energy.detach(), -found.score_samples(y.numpy()), atol=1e-9)
    np.testing.assert_allclose(solution["Z"].detach(), found.predict_proba(y.numpy()), atol=1e-9)
    gradients = torch.autograd.grad(model.infer("responsibility", Y=torch.tensor(points)).energy.mean(), list(model.parameters()))
    assert max(each.abs().max().item() for each in gradients) < 5e-3  # where expectation-maximisation ended is a minimum here


def test_factor_analysis_is_that_of_scikit_learn() -> None:
    decomposition = pytest.importorskip("sklearn.decomposition")
    random = np.random.default_rng(3)
    noise = random.normal(size=(400, 64)) * random.uniform(0.5, 2, 64)
    points = random.normal(size=(400, 3)) @ random.normal(size=(3, 64)) + noise
    found = decomposition.FactorAnalysis(3, tol=1e-8, max_iter=5000).fit(points)
    model = changed("factor_analysis.yaml", **{"dims.code": 3})
    tensors = model.tensors()
    with torch.no_grad():
        tensors["functions.loading"]["matrix"].copy_(torch.tensor(found.components_).T)
        tensors["functions.loading"]["bias"].copy_(torch.tensor(found.mean_))
        tensors["factors.likelihood"]["log_precision"].copy_(-torch.tensor(found.noise_variance_ - 0.001).log())
    y = torch.tensor(points)
    solution = model.infer("posterior", Y=y)
    np.testing.assert_allclose(solution.energy.detach(), -found.score_samples(points), atol=1e-8)
    np.testing.assert_allclose(solution["Z"].detach(), found.transform(points), atol=1e-8)
    gradients = torch.autograd.grad(solution.energy.mean(), list(model.parameters()))
    assert max(each.abs().max().item() for each in gradients) < 1e-3
    assert model.summed("everything").free.item() == pytest.approx(0, abs=1e-9)


NARROW = """
factorgraph: 1
variables:
  Y: {kind: observed, shape: [2]}
functions:
  net: {type: network, layers: 3fc-fc, activation: softplus}
factors:
  surface: {type: value, of: net(Y)}
inference:
  everything: {method: marginal, of: Y, solver: {type: grid, range: 0.5, points: 8}}
learning:
  fit: {loss: {type: likelihood, partition: everything}, steps: 1, batch_size: 10}
data: {source: arrays, file: rows.npz, bind: {Y: y}}
"""


def test_a_grid_that_ends_before_the_data_is_warned_of(tmp_path: Path) -> None:
    plan = compiler.plan(loads(NARROW))
    graph = compiler.build(loads(NARROW)).graph
    rows = np.array([[0.0, 0.4], [-0.6, 0.0], [0.0, 0.5], [0.0, 1.2]])
    assert list(beyond(graph, plan, {"Y": rows[[0, 2]]})) == []
    (found,) = beyond(graph, plan, {"Y": rows})
    assert found.code == "FGW268" and '0.5 of the rows of Y are not between -0.5 and 0.5, where "every' in found.message
    assert found.fix == "inference.everything.solver.range: 1.32"
    assert list(beyond(graph, compiler.plan(loads(NARROW.replace("range: 0.5", "range: 1.32"))), {"Y": rows})) == []
    positive = loads(NARROW.replace("shape: [2]", "shape: [2], domain: nonnegative"))
    (found,) = beyond(compiler.build(positive).graph, compiler.plan(positive), {"Y": rows[:3]})
    assert "0.333 of the rows of Y are not between 0 and 0.5" in found.message
    told: list[str] = []
    np.savez(tmp_path / "rows.npz", y=np.random.default_rng(0).standard_normal((40, 2)))
    fg.train(loads(NARROW, str(tmp_path / "spec.yaml")), out=tmp_path / "run", say=told.append)
    assert any("FGW268" in each for each in told)
