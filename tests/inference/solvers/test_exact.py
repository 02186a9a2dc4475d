"""What only the exact solver promises."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from factorgraph.inference.loop import solve
from factorgraph.inference.problem import CONVERGED, NOT_FINITE, Problem, Quadratic
from factorgraph.inference.solvers import exact as module
from factorgraph.inference.solvers.exact import Exact
from factorgraph.inference.solvers.fista import Fista
from factorgraph.inference.solvers.gradient import Gradient
from factorgraph.inference.solvers.ista import Ista
from factorgraph.inference.solvers.lbfgs import Lbfgs


def least_squares(d, y):
    """|y - D z|^2 / 2"""
    return Problem(
        start=torch.zeros(len(y), d.shape[1], dtype=d.dtype),
        smooth=lambda z: (z @ d.T - y).square().sum(1) / 2,
        gradient=lambda z: (z @ d.T - y) @ d,
        bound=d.square().sum(),
        quadratic=Quadratic(d.T @ d, -y @ d, y.square().sum(1) / 2),
    )


@pytest.mark.parametrize("shape", [(20, 7), (7, 20), (9, 9)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_of_many_minima_the_one_nearest_to_zero(shape, dtype):
    source = torch.Generator().manual_seed(2)
    d, y = torch.randn(*shape, generator=source).double(), torch.randn(5, shape[0], generator=source).double()
    found = solve(Exact(), least_squares(d.to(dtype), y.to(dtype)), 100, 1e-4)
    close = {"rtol": 1e-7, "atol": 1e-8} if dtype == torch.float64 else {"rtol": 2e-3, "atol": 2e-4}
    torch.testing.assert_close(found.z.double(), y @ torch.linalg.pinv(d).T, **close)
    assert (found.status == CONVERGED).all() and (found.certificate == 0).all() and (found.steps == 1).all()


def test_factor_analysis_has_its_closed_form():
    """z = (I + W' P W)^-1 W' P y with P the inverse noise variances: sparse.md's generative table, from the normal equations."""
    source = torch.Generator().manual_seed(6)
    w, y, p = torch.randn(8, 3, generator=source), torch.randn(4, 8, generator=source), torch.rand(8, generator=source) + 0.1
    hessian = torch.eye(3) + w.T @ (p[:, None] * w)
    energy = lambda z: ((y - z @ w.T).square() * p).sum(1) / 2 + z.square().sum(1) / 2  # noqa: E731
    form = Quadratic(hessian, -(p * y) @ w, (p * y.square()).sum(1) / 2)
    problem = Problem(torch.zeros(4, 3), energy, lambda z: z @ hessian + form.linear, quadratic=form)
    known = torch.linalg.inv(hessian) @ w.T @ (p[:, None] * y.T)
    torch.testing.assert_close(solve(Exact(), problem, 1, 0).z, known.T, rtol=1e-5, atol=1e-6)


def test_no_energy_has_the_code_zero():
    found = solve(Exact(), least_squares(torch.zeros(4, 3), torch.randn(2, 4)), 1, 0)
    assert (found.z == 0).all() and (found.status == CONVERGED).all()


def test_what_is_not_finite_stays_in_its_row():
    source = torch.Generator().manual_seed(2)
    d, y = torch.randn(6, 4, generator=source), torch.randn(5, 6, generator=source)
    clean = solve(Exact(), least_squares(d, y), 1, 0).z
    y[1, 1] = torch.inf
    found = solve(Exact(), least_squares(d, y), 1, 0)
    assert found.status.tolist() == [CONVERGED, NOT_FINITE, CONVERGED, CONVERGED, CONVERGED]
    assert found.z.isfinite().all()
    torch.testing.assert_close(found.z[[0, 2, 3, 4]], clean[[0, 2, 3, 4]])
    d[0, 0] = torch.nan
    assert (solve(Exact(), least_squares(d, y), 1, 0).status == NOT_FINITE).all()


def test_all_solvers_of_smooth_problems_agree():
    source = torch.Generator().manual_seed(4)
    d = torch.randn(12, 5, generator=source, dtype=torch.float64)
    y = torch.randn(3, 12, generator=source, dtype=torch.float64)
    exact = solve(Exact(), least_squares(d, y), 1, 0).z
    for solver in (Fista(), Ista(), Gradient(), Lbfgs()):
        torch.testing.assert_close(solve(solver, least_squares(d, y), 5000, 1e-10).z, exact, rtol=1e-7, atol=1e-8)


def test_what_the_rounding_of_the_hessian_left_over_is_no_curvature():
    """Positive, so that Cholesky's method succeeds; dividing by it would send the code to 1000 for an energy of 5e-7."""
    form = Quadratic(torch.diag(torch.tensor([1.0, 1e-12])), torch.tensor([[-1.0, -1e-9]]), torch.ones(1))
    problem = Problem(torch.zeros(1, 2), lambda z: z.sum(1), lambda z: z, quadratic=form)
    torch.testing.assert_close(solve(Exact(), problem, 1, 0).z, torch.tensor([[1.0, 0.0]]))


def weighed(d, y, weight, dtype=torch.float64):
    """|y - D (w z)|^2 / 2 with a w of each row: Hessians of their own."""
    d, y, weight = d.to(dtype), y.to(dtype), weight.to(dtype)
    hessian = weight[:, :, None] * (d.T @ d) * weight[:, None, :]
    linear = -weight * (y @ d)
    energy = lambda z: (y - (weight * z) @ d.T).square().sum(1) / 2  # noqa: E731
    form = Quadratic(hessian, linear, y.square().sum(1) / 2)
    return Problem(torch.zeros_like(linear), energy, form.gradient, quadratic=form)


@pytest.mark.parametrize("at_once", [1, 100, 2**24])
def test_each_row_is_solved_by_its_own_hessian(at_once, monkeypatch):
    monkeypatch.setattr(module, "AT_ONCE", at_once)
    source = torch.Generator().manual_seed(3)
    d, y = torch.randn(9, 5, generator=source).double(), torch.randn(6, 9, generator=source).double()
    weight = 0.3 + torch.rand(6, 5, generator=source).double()
    weight[1] = 0  # nothing to do
    weight[4, 2:4] = 0  # two directions without curvature
    problem = weighed(d, y, weight)
    found = solve(Exact(), problem, 1, 0)
    known = torch.stack([torch.linalg.pinv(d * w) @ row for w, row in zip(weight, y, strict=True)])
    torch.testing.assert_close(found.z, known, rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(problem.smooth(found.z), problem.quadratic.value(found.z))
    torch.testing.assert_close(solve(Exact(), weighed(d, y, weight, torch.float32), 1, 0).z.double(), known, rtol=1e-3, atol=1e-4)


def test_a_hessian_that_is_not_finite_stays_in_its_row():
    source = torch.Generator().manual_seed(3)
    d, y = torch.randn(9, 5, generator=source), torch.randn(4, 9, generator=source)
    weight = torch.ones(4, 5)
    clean = solve(Exact(), weighed(d, y, weight), 1, 0).z
    weight[2, 1] = torch.nan
    found = solve(Exact(), weighed(d, y, weight), 1, 0)
    assert found.status.tolist() == [CONVERGED, CONVERGED, NOT_FINITE, CONVERGED] and found.z.isfinite().all()
    torch.testing.assert_close(found.z[[0, 1, 3]], clean[[0, 1, 3]])


def test_hessians_of_their_own_pass_without_values():
    form = Quadratic(torch.zeros(4, 3, 3, device="meta"), torch.zeros(4, 3, device="meta"), torch.zeros(4, device="meta"))
    problem = Problem(torch.zeros(4, 3, device="meta"), form.value, form.gradient, quadratic=form)
    assert solve(Exact(), problem, 1, 0).z.shape == (4, 3)
    taken = form.take(torch.tensor([1, 2], device="meta"))
    assert taken.hessian.shape == (2, 3, 3)


def test_an_energy_that_falls_forever_has_no_minimum_and_says_so():
    hessian = torch.diag(torch.tensor([2.0, 0.0, 1.0]))
    linear = torch.tensor([[1.0, 0.0, -1.0], [1.0, 0.1, -1.0], [0.0, 0.0, 0.0]])
    for form in (Quadratic(hessian, linear, torch.zeros(3)), Quadratic(hessian.expand(3, 3, 3), linear, torch.zeros(3))):
        found = solve(Exact(), Problem(torch.zeros(3, 3), form.value, form.gradient, quadratic=form), 1, 0)
        assert found.status.tolist() == [CONVERGED, NOT_FINITE, CONVERGED]
        torch.testing.assert_close(found.z[[0, 2]], torch.tensor([[-0.5, 0.0, 1.0], [0.0, 0.0, 0.0]]))


def test_a_signal_that_no_code_explains_has_a_code_of_rounding():
    """Its slope is rounding alone, which is no reason to call the energy falling: a sum of squares never is."""
    source = torch.Generator().manual_seed(5)
    d = torch.randn(12, 4, generator=source).double() @ torch.randn(4, 9, generator=source).double()
    y = torch.randn(3, 12, generator=source).double()
    y = y - y @ torch.linalg.pinv(d).T @ d.T
    problem = replace(least_squares(d.float(), y.float()), squares=True)
    assert problem.quadratic.linear.abs().max() > 0
    found = solve(Exact(), problem, 1, 0)
    assert (found.status == CONVERGED).all() and found.z.abs().max() < 1e-5
