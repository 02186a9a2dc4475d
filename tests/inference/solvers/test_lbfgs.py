"""What only the quasi-Newton method promises: that it sees curvature, and needs fewer steps for it."""

from __future__ import annotations

import pytest
import torch
from scipy.optimize import minimize, rosen, rosen_der

from factorgraph.inference.loop import solve
from factorgraph.inference.problem import CONVERGED, NOT_FINITE, OUT_OF_STEPS, Problem
from factorgraph.inference.solvers import lbfgs as module
from factorgraph.inference.solvers.gradient import Gradient
from factorgraph.inference.solvers.lbfgs import Lbfgs


def differentiated(smooth, start):
    def gradient(z):
        with torch.enable_grad():
            point = z.detach().requires_grad_()
            (slope,) = torch.autograd.grad(smooth(point).sum(), point)
        return slope

    return Problem(start, smooth, gradient, take=lambda rows: differentiated(smooth, start[rows]))


def rosenbrock(z):
    """A curved valley, curvature from 1 to 1000; its minimum is at ones."""
    return (100 * (z[:, 1:] - z[:, :-1] ** 2) ** 2 + (1 - z[:, :-1]) ** 2).sum(1)


def starts(units=5):
    classic = torch.tensor([-1.2, 1.0, -1.2, 1.0, -1.2], dtype=torch.float64)[:units]
    return torch.stack([classic, torch.zeros(units).double(), 3 * classic, torch.linspace(2, -2, units).double()])


def test_it_ends_where_scipys_ends():
    found = solve(Lbfgs(), differentiated(rosenbrock, starts()), 2000, 1e-10)
    assert (found.status == CONVERGED).all()
    for row, start in zip(found.z, starts(), strict=True):
        known = minimize(rosen, start.numpy(), jac=rosen_der, method="L-BFGS-B", options={"ftol": 1e-15, "gtol": 1e-10})
        assert abs(rosen(row.numpy()) - known.fun) < 1e-10


def test_a_curved_valley_takes_a_fifth_of_the_steps():
    problem = differentiated(rosenbrock, starts(2))
    steps = {solver.type: solve(solver, problem, 3000, 1e-8).steps.double().mean() for solver in (Lbfgs(), Gradient())}
    assert steps["lbfgs"] < 0.2 * steps["gradient"] and steps["lbfgs"] < 80


def ill(condition=1e4, units=30, batch=5):
    source = torch.Generator().manual_seed(0)
    basis, _ = torch.linalg.qr(torch.randn(units, units, generator=source, dtype=torch.float64))
    hessian = basis * torch.logspace(0, torch.tensor(condition).log10().item(), units, dtype=torch.float64) @ basis.T
    linear = torch.randn(batch, units, generator=source, dtype=torch.float64)
    problem = Problem(torch.zeros_like(linear), lambda z: (z * (z @ hessian / 2 + linear)).sum(1), lambda z: z @ hessian + linear)
    return problem, torch.linalg.solve(hessian, -linear.T).T


def test_an_ill_conditioned_bowl_takes_a_third_of_the_steps():
    problem, known = ill()
    found = solve(Lbfgs(), problem, 2000, 1e-8)
    torch.testing.assert_close(found.z, known, rtol=1e-3, atol=1e-5)
    other = solve(Gradient(), problem, 3 * int(found.steps.max()), 1e-8)
    assert (other.status == OUT_OF_STEPS).all()


def test_without_a_memory_it_is_slow(monkeypatch):
    """The pairs do the work: what is left without them is a descent along the gradient."""
    problem, _ = ill(100)
    with_memory = solve(Lbfgs(), problem, 5000, 1e-8).steps.double().mean()
    monkeypatch.setattr(module, "MEMORY", 1)
    assert solve(Lbfgs(), problem, 5000, 1e-8).steps.double().mean() > 1.3 * with_memory


def test_two_triangles_are_the_product_with_the_matrix_that_is_never_formed():
    """The update written out with matrices, Nocedal & Wright's equation 7.16, pair by pair."""
    source = torch.Generator().manual_seed(2)
    count, units = 4, 6
    hessian = torch.randn(units, units, generator=source).double()
    hessian = hessian @ hessian.T + torch.eye(units).double()
    pairs = torch.randn(count, units, generator=source).double()
    bends, gradient = pairs @ hessian, torch.randn(1, units, generator=source).double()
    weights = 1 / (pairs * bends).sum(1)
    inverse = torch.eye(units).double() / 2.7
    for s, y, weight in zip(pairs, bends, weights, strict=True):
        left = torch.eye(units).double() - weight * torch.outer(s, y)
        inverse = left @ inverse @ left.T + weight * torch.outer(s, s)
    empty = torch.zeros(module.MEMORY - count, units).double()
    moves, bends = torch.cat([empty, pairs])[None], torch.cat([empty, bends])[None]
    direction = module._direction(gradient, torch.tensor([2.7]).double(), moves, bends)
    torch.testing.assert_close(direction, -gradient @ inverse)


def test_rows_that_are_done_leave_and_change_nothing_for_the_rest():
    together = solve(Lbfgs(), differentiated(rosenbrock, starts()), 2000, 1e-8)
    assert len(set(together.steps.tolist())) > 1
    for row in range(len(starts())):
        alone = solve(Lbfgs(), differentiated(rosenbrock, starts()[row : row + 1]), 2000, 1e-8)
        torch.testing.assert_close(together.z[row], alone.z[0], rtol=1e-9, atol=1e-11)
        assert together.steps[row] == alone.steps[0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_where_the_energy_bends_down_it_still_descends(dtype):
    """Two wells with a hill between them: near the top the curvature is negative, and no pair is remembered there."""
    wells = lambda z: ((z**2 - 1) ** 2).sum(1)  # noqa: E731
    start = torch.tensor([[0.01, -0.02, 0.5], [-1e-3, 1e-3, 3.0]], dtype=dtype)
    found = solve(Lbfgs(), differentiated(wells, start), 300, 1e-5)
    torch.testing.assert_close(found.z, start.sign(), rtol=1e-3, atol=1e-3)


def test_one_row_that_is_not_a_number_disturbs_no_other():
    start = starts()
    clean = solve(Lbfgs(), differentiated(rosenbrock, start), 500, 1e-8)
    broken = start.clone()
    broken[1, 2] = torch.nan
    found = solve(Lbfgs(), differentiated(rosenbrock, broken), 500, 1e-8)
    assert found.status[1] == NOT_FINITE and found.z.isfinite().all()
    torch.testing.assert_close(found.z[[0, 2, 3]], clean.z[[0, 2, 3]])
