"""What only the method of two halves promises."""

from __future__ import annotations

import pytest
import torch
from scipy.linalg import cho_factor, cho_solve

from factorgraph.inference import domains
from factorgraph.inference.loop import solve
from factorgraph.inference.problem import CONVERGED, NOT_FINITE, Problem, Quadratic, Rest
from factorgraph.inference.solvers import admm as module
from factorgraph.inference.solvers.admm import Admm
from factorgraph.inference.solvers.fista import Fista

BATCH, INPUTS, UNITS = 6, 20, 33


def problem_of(d, y, rest):
    form = Quadratic(d.T @ d, -y @ d, y.square().sum(1) / 2)
    bound = torch.linalg.matrix_norm(d, 2) ** 2
    return Problem(torch.zeros(len(y), d.shape[1], dtype=d.dtype), form.value, form.gradient, bound, rest, form)


def magnitudes(weight=0.37):
    return Rest(lambda z: weight * z.abs().sum(1), lambda v, t: v.sign() * (v.abs() - weight * t).clamp_min(0))


def dictionary(lengths=1.0, inputs=INPUTS, units=UNITS):
    d = torch.randn(inputs, units, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return d / d.norm(dim=0) * lengths


def signals(inputs=INPUTS):
    return 0.7 * torch.randn(BATCH, inputs, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_the_steps_are_the_papers():
    """The scaled form with over-relaxation, written out with scipy's factors, one row at a time."""
    d, y = dictionary(torch.linspace(0.5, 2, UNITS).double()), signals()
    price = 0.6 * d.norm(dim=0).mean().item() ** 2
    factor = cho_factor((d.T @ d).numpy() + price * torch.eye(UNITS).double().numpy())
    z = u = torch.zeros(BATCH, UNITS, dtype=torch.float64)
    for steps in range(1, 25):
        right = price * (z - u) + y @ d
        x = torch.stack([torch.from_numpy(cho_solve(factor, row.numpy())) for row in right])
        x = 1.6 * x + (1 - 1.6) * z
        z = (x + u).sign() * ((x + u).abs() - 0.37 / price).clamp_min(0)
        u = u + x - z
        torch.testing.assert_close(solve(Admm(), problem_of(d, y, magnitudes()), steps, 0).z, z)


def groups(weight=0.8):
    """Pairs of units, one norm for both: a rest that is no sum over units."""

    def prox(v, t):
        pairs = v.view(len(v), -1, 3)
        length = pairs.norm(dim=2, keepdim=True)
        return (pairs * (1 - weight * t / length.clamp_min(1e-30)).clamp_min(0)).view(v.shape)

    return Rest(lambda z: weight * z.view(len(z), -1, 3).norm(dim=2).sum(1), prox)


RESTS = {
    "magnitudes": magnitudes(),
    "groups": groups(),
    "simplex": Rest(lambda z: z.new_zeros(len(z)), lambda v, t: domains.simplex(v)),
    "nonnegative": Rest(lambda z: 0.2 * z.sum(1), lambda v, t: (v - 0.2 * t).clamp_min(0)),
    "shifted": Rest(
        lambda z: 0.5 * (z - 1).abs().sum(1), lambda v, t: 1 + (v - 1).sign() * ((v - 1).abs() - 0.5 * t).clamp_min(0)
    ),
}


@pytest.mark.parametrize("name", RESTS)
def test_it_agrees_with_fista_on_every_kind_of_rest(name):
    problem = problem_of(dictionary(torch.linspace(0.3, 3, 12).double(), 30, 12), 2 * signals(30), RESTS[name])
    found, known = solve(Admm(), problem, 5000, 1e-10), solve(Fista(), problem, 50_000, 1e-12)
    assert (found.status == CONVERGED).all()
    torch.testing.assert_close(found.z, known.z, rtol=1e-4, atol=1e-6)


def test_zeros_are_exact():
    z = solve(Admm(), problem_of(dictionary(), signals(), magnitudes()), 300, 0).z
    known = solve(Fista(), problem_of(dictionary(), signals(), magnitudes()), 20_000, 1e-11).z
    assert torch.equal(z == 0, known == 0) and 0.2 < (z == 0).double().mean() < 0.9


@pytest.mark.parametrize("scale", [1e-2, 1.0, 1e4])
def test_the_price_goes_with_the_scale_of_the_energy_and_of_the_units(scale):
    """The energy in other units of measure, or the code: the same number of steps."""
    usual = solve(Admm(), problem_of(dictionary(), signals(), magnitudes()), 500, 1e-7).steps
    root = scale**0.5
    energy = problem_of(root * dictionary(), root * signals(), magnitudes(0.37 * scale))
    code = problem_of(scale * dictionary(), signals(), magnitudes(0.37 * scale))
    for problem in (energy, code):
        steps = solve(Admm(), problem, 500, 1e-7).steps
        assert (steps - usual).abs().max() <= 10 * (scale != 1) and (steps < 500).all()


def dictionaries():
    """With fewer units than inputs, with more, and with units that are alike."""
    alike = dictionary(units=60) + 0.5 * dictionary(units=60)[:, :1]
    return {"under": dictionary(units=10), "over": dictionary(units=60), "alike": alike / alike.norm(dim=0)}


@pytest.mark.parametrize("kind", dictionaries())
def test_the_price_is_near_the_best(kind, monkeypatch):
    problem = problem_of(dictionaries()[kind], 3 * signals(), magnitudes())
    own = solve(Admm(), problem, 1000, 1e-5).steps.double().mean()
    grid = []
    for share in (0.02, 0.1, 0.3, 1.0, 3.0):
        monkeypatch.setattr(module, "SHARE", share)
        grid.append(solve(Admm(), problem, 1000, 1e-5).steps.double().mean())
    assert own <= 1.6 * min(grid) and own < 0.5 * max(grid)


@pytest.mark.parametrize("kind", dictionaries())
def test_it_takes_half_of_fistas_steps(kind):
    problem = problem_of(dictionaries()[kind], 3 * signals(), magnitudes())
    known = solve(Admm(), problem, 5000, 1e-9).z
    for steps in (5, 10):
        error, other = (
            (solve(solver, problem, count, 0).z - known).norm() for solver, count in ((Admm(), steps), (Fista(), 2 * steps))
        )
        assert error < other


def test_single_precision_is_enough_for_a_hessian_without_a_bottom():
    d, y = dictionary(units=100), signals()
    single = solve(Admm(), problem_of(d.float(), y.float(), magnitudes()), 1000, 1e-5)
    known = solve(Admm(), problem_of(d, y, magnitudes()), 2000, 1e-8)
    exact = problem_of(d, y, magnitudes())
    assert (exact.energy(single.z.double()) / exact.energy(known.z) - 1).abs().max() < 1e-5


def test_a_hessian_that_is_not_finite_ends_without_a_traceback():
    problem = problem_of(dictionary(), signals(), magnitudes())
    problem.quadratic.hessian[2, 3] = problem.quadratic.hessian[3, 2] = torch.nan
    found = solve(Admm(), problem, 30, 1e-4)
    assert (found.status == NOT_FINITE).all() and found.z.isfinite().all()


def test_no_curvature_at_all_leaves_the_rest():
    d = torch.zeros(INPUTS, UNITS, dtype=torch.float64)
    found = solve(Admm(), problem_of(d, signals(), RESTS["shifted"]), 300, 1e-8)
    assert (found.z == 1).all()
