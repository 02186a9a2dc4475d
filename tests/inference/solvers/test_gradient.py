"""Descent where no bound and no closed form are known."""

from __future__ import annotations

import pytest
import torch

from factorgraph.inference.loop import solve
from factorgraph.inference.problem import CONVERGED, Problem
from factorgraph.inference.solvers.gradient import Gradient
from factorgraph.inference.solvers.ista import Ista
from factorgraph.inference.solvers.lbfgs import Lbfgs


def differentiated(smooth, start):
    def gradient(z):
        with torch.enable_grad():
            point = z.detach().requires_grad_()
            (slope,) = torch.autograd.grad(smooth(point).sum(), point)
        return slope

    return Problem(start, smooth, gradient)


@pytest.mark.parametrize("solver", [Gradient(), Ista(), Lbfgs()])
def test_rows_of_very_different_curvature_each_find_their_step(solver):
    scale = torch.tensor([1e-3, 1.0, 1e4], dtype=torch.float64)[:, None]
    target = torch.tensor([[1.0, -2.0], [0.5, 3.0], [-0.1, 0.2]], dtype=torch.float64)
    problem = differentiated(lambda z: (scale * torch.log(torch.cosh(z - target))).sum(1), torch.zeros(3, 2, dtype=torch.float64))
    found = solve(solver, problem, 2000, 1e-9)
    torch.testing.assert_close(found.z, target, rtol=1e-6, atol=1e-7)
    assert (found.status == CONVERGED).all()


def test_a_curved_valley():
    """Rosenbrock's function, with its minimum at (1, 1): not convex, curvature from 1 to 1000."""
    rosenbrock = lambda z: (1 - z[:, 0]) ** 2 + 100 * (z[:, 1] - z[:, 0] ** 2) ** 2  # noqa: E731
    start = torch.tensor([[-1.2, 1.0], [0.0, 0.0]], dtype=torch.float64)
    found = solve(Gradient(), differentiated(rosenbrock, start), 20_000, 1e-9)
    torch.testing.assert_close(found.z, torch.ones(2, 2, dtype=torch.float64), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("solver", [Gradient(), Ista(), Lbfgs()])
def test_energies_never_rise(solver):
    """An energy with cliffs: exp overflows a step too far, and a refused step must not lose the code."""
    problem = differentiated(lambda z: (z.exp() - 3 * z).sum(1), torch.tensor([[4.0, -30.0], [0.0, 20.0]]))
    energies = torch.stack([problem.smooth(solve(solver, problem, steps, 0).z) for steps in range(0, 60, 3)])
    assert (energies[1:] <= energies[:-1] + 1e-5 * energies[:-1].abs()).all()
    assert energies.isfinite().all()
    for quick in (Gradient(), Lbfgs()):
        torch.testing.assert_close(solve(quick, problem, 500, 0).z, torch.full((2, 2), 3.0).log(), rtol=1e-3, atol=1e-3)
