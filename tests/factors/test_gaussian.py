"""Gaussian energies against another library's densities, and the parameters that fit data best against closed forms."""

from __future__ import annotations

import math

import pytest
import torch

from factorgraph.factors.gaussian import Gaussian

UNITS, CHOICES, ROWS = 4, 3, 5
LEARNED = ("scalar", "diagonal", "full")


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def parameters(leaf: Gaussian, *shapes: tuple[int, ...]) -> dict[str, torch.Tensor]:
    return {name: 0.6 * random(*each.shape, seed=9) for name, each in leaf.parameters(*shapes).items()}


def covariance(leaf: Gaussian, values: dict[str, torch.Tensor], choice: int | None = None) -> torch.Tensor:
    """Written out from the docstring."""
    if "factor" in values:
        factor = values["factor"] if choice is None else values["factor"][choice]
        triangle = factor.tril(-1) + torch.diag(factor.diagonal().exp())
        return triangle @ triangle.T + leaf.floor * torch.eye(UNITS, dtype=torch.float64)
    logarithm = values["log_precision"] if choice is None else values["log_precision"][choice]
    return torch.diag(((-logarithm).exp() + leaf.floor).expand(UNITS))


def minus_log_density(x: torch.Tensor, mean: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    stats = pytest.importorskip("scipy.stats")
    found = [-stats.multivariate_normal(m.numpy(), matrix.numpy()).logpdf(row.numpy()) for row, m in zip(x, mean, strict=True)]
    return torch.tensor(found, dtype=torch.float64)


@pytest.mark.parametrize("precision", LEARNED)
@pytest.mark.parametrize("floor", [0, 0.37])
def test_it_is_minus_another_library_s_log_density(precision, floor):
    leaf = Gaussian(between=["A", "B"], precision=precision, floor=floor)
    x, mean, with_ = random(ROWS, UNITS), random(ROWS, UNITS, seed=1), parameters(leaf, (UNITS,), (UNITS,))
    torch.testing.assert_close(leaf.energy(x, mean, with_), minus_log_density(x, mean, covariance(leaf, with_)))
    alone = Gaussian(of="A", precision=precision, floor=floor)
    torch.testing.assert_close(alone.energy(x, with_), minus_log_density(x, 0 * mean, covariance(leaf, with_)))


def test_a_unit_precision_is_the_standard_normal_and_learns_nothing():
    leaf, x = Gaussian(of="A"), random(ROWS, 2, 2)
    assert leaf.parameters((2, 2)) == {}
    standard = minus_log_density(x.reshape(ROWS, UNITS), torch.zeros(ROWS, UNITS), torch.eye(UNITS))
    torch.testing.assert_close(leaf.energy(x), standard)


@pytest.mark.parametrize("precision", LEARNED)
@pytest.mark.parametrize("floor", [0, 0.37])
def test_each_choice_has_a_precision_of_its_own(precision, floor):
    leaf = Gaussian(between=["A", "B"], precision=precision, by="C", floor=floor)
    x, mean = random(ROWS, UNITS), random(ROWS, UNITS, seed=1)
    with_ = parameters(leaf, (UNITS,), (UNITS,), (CHOICES,))
    one_hot = torch.eye(CHOICES, dtype=torch.float64)[torch.tensor([2, 0, 1, 1, 2])]
    each = torch.stack([minus_log_density(x, mean, covariance(leaf, with_, k)) for k in range(CHOICES)], 1)
    torch.testing.assert_close(leaf.energy(x, mean, one_hot, with_), (each * one_hot).sum(1))


def test_shapes_of_what_is_learned():
    def of(**options):
        shapes = ((2, 2), (CHOICES,)) if "by" in options else ((2, 2),)
        return {name: each.shape for name, each in Gaussian(of="A", **options).parameters(*shapes).items()}

    assert of(precision="scalar") == {"log_precision": ()}
    assert of(precision="diagonal") == {"log_precision": (4,)}
    assert of(precision="full") == {"factor": (4, 4)}
    assert of(precision="scalar", by="C") == {"log_precision": (3,)}
    assert of(precision="diagonal", by="C") == {"log_precision": (3, 4)}
    assert of(precision="full", by="C") == {"factor": (3, 4, 4)}


def test_the_parameters_that_fit_best_are_those_of_the_sample_covariance():
    """At them, and there only, the gradient of the mean energy vanishes."""
    x = random(200, UNITS) @ random(UNITS, UNITS, seed=2)
    sample = x.T @ x / len(x)
    triangle = torch.linalg.cholesky(sample)
    factor = triangle.tril(-1) + torch.diag(triangle.diagonal().log())
    best = {
        "full": {"factor": factor},
        "diagonal": {"log_precision": -sample.diagonal().log()},
        "scalar": {"log_precision": -(sample.trace() / UNITS).log()},
    }
    for precision, with_ in best.items():
        leaf = Gaussian(of="A", precision=precision)
        (value,) = (each.requires_grad_() for each in with_.values())
        (slope,) = torch.autograd.grad(leaf.energy(x, with_).mean(), value)
        assert slope.abs().max() < 1e-12, precision
        (slope,) = torch.autograd.grad(leaf.energy(1.1 * x, with_).mean(), value)
        assert slope.abs().max() > 1e-2, precision


@pytest.mark.parametrize("precision", LEARNED)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_floor_bounds_every_variance_however_far_parameters_run(precision, dtype):
    """A density that collapses onto a sample has at most that of a Gaussian with the floor as its variance."""
    floor = 1e-2
    leaf = Gaussian(of="A", precision=precision, floor=floor)
    lowest = UNITS * math.log(2 * math.pi * floor) / 2
    for far in (5.0, 20.0, 40.0):
        ((name, declared),) = leaf.parameters((UNITS,)).items()
        value = torch.full(declared.shape, far if precision != "full" else -far / 2, dtype=dtype).requires_grad_()
        energy = leaf.energy(torch.zeros(1, UNITS, dtype=dtype), {name: value})
        (slope,) = torch.autograd.grad(energy.sum(), value)
        assert energy.isfinite().all() and slope.isfinite().all()
        assert energy >= lowest - 1e-4
    if precision == "full":
        value = torch.diag(value.diagonal().detach())  # no covariance beside the floor
    assert 1 - 1e-3 <= float(leaf.curvature({name: value})) * floor <= 1.05


def test_keys_that_contradict_each_other_are_refused():
    with pytest.raises(ValueError, match="needs between"):
        Gaussian()
    with pytest.raises(ValueError, match="exclude each other"):
        Gaussian(of="A", between=["A", "B"])
    for options in ({"by": "C"}, {"floor": 0.1}):
        with pytest.raises(ValueError, match="scalar, diagonal or full"):
            Gaussian(of="A", **options)
