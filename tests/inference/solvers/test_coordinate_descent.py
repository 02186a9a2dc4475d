"""What only a solver that moves one unit at a time promises."""

from __future__ import annotations

import numpy
import pytest
import torch
from scipy.optimize import minimize_scalar

from factorgraph.inference.loop import solve
from factorgraph.inference.problem import CONVERGED, Problem, Quadratic, Rest
from factorgraph.inference.solvers.coordinate_descent import CoordinateDescent
from factorgraph.inference.solvers.fista import Fista

WEIGHT, BATCH, INPUTS, UNITS = 0.37, 5, 20, 33
BOTH = pytest.mark.parametrize("solver", [CoordinateDescent(), CoordinateDescent(order="cyclic")], ids=lambda it: it.order)


def lasso(d, y, weight=WEIGHT, nonnegative=False):
    """|y - D z|^2 / 2 + weight.|z|"""
    weights = torch.as_tensor(weight, dtype=d.dtype).expand(d.shape[1])

    def prox(v, t):
        z = v.sign() * (v.abs() - t * weights).clamp_min(0)
        return z.clamp_min(0) if nonnegative else z

    form = Quadratic(d.T @ d, -y @ d, y.square().sum(1) / 2)
    bound = torch.linalg.matrix_norm(d, 2) ** 2
    rest = Rest(lambda z: (weights * z.abs()).sum(1), prox, weights, nonnegative)
    return Problem(torch.zeros(len(y), d.shape[1], dtype=d.dtype), form.value, form.gradient, bound, rest, form, squares=True)


def dictionary(lengths=None):
    d = torch.randn(INPUTS, UNITS, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return d / d.norm(dim=0) * (1 if lengths is None else lengths)


def signals():
    return 0.7 * torch.randn(BATCH, INPUTS, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_the_first_steps_are_the_papers():
    """Against the recursion in B = D'y as it stands in sparse coding papers, row by row in numpy; unit columns."""
    d, y = dictionary(), signals()
    lateral = numpy.eye(UNITS) - d.numpy().T @ d.numpy()
    shrink = lambda v: numpy.sign(v) * numpy.maximum(abs(v) - WEIGHT, 0)  # noqa: E731
    drives, codes = (y @ d).numpy(), numpy.zeros((BATCH, UNITS))
    for steps in range(1, 41):
        for row in range(BATCH):
            unit = abs(shrink(drives[row]) - codes[row]).argmax()
            change = shrink(drives[row])[unit] - codes[row, unit]
            drives[row] += lateral[:, unit] * change
            codes[row, unit] += change
        torch.testing.assert_close(solve(CoordinateDescent(), lasso(d, y), steps, 0).z, torch.from_numpy(codes.copy()))


@BOTH
@pytest.mark.parametrize("nonnegative", [False, True])
def test_a_step_moves_one_unit_to_where_it_costs_least(solver, nonnegative):
    """Columns of very different length, weights of its own for each unit; against a search along the unit."""
    problem = lasso(dictionary(torch.logspace(-1, 1, UNITS).double()), signals(), torch.linspace(0, 0.9, UNITS), nonnegative)
    seen = set()
    for steps in (0, 1, 7, 30, 60):
        before, after = solve(solver, problem, steps, 0).z, solve(solver, problem, steps + 1, 0).z
        for row in range(BATCH):
            moved = (after[row] != before[row]).nonzero().flatten().tolist()
            seen |= set(moved)
            assert len(moved) <= 1
            for unit in moved:

                def along(value, row=row, unit=unit, code=before):
                    z = code.clone()
                    z[row, unit] = value
                    return problem.energy(z)[row].item()

                found = minimize_scalar(along, bounds=(0 if nonnegative else -99, 99), options={"xatol": 1e-8})
                assert after[row, unit] == pytest.approx(found.x, abs=1e-5)
    assert len(seen) > 3


def test_greedy_takes_the_unit_whose_own_square_falls_most_and_cyclic_the_next():
    problem = lasso(dictionary(torch.logspace(-0.5, 0.5, UNITS).double()), signals(), 0.05)
    for steps in (0, 3, 50):
        before, after = solve(CoordinateDescent(), problem, steps, 0).z, solve(CoordinateDescent(), problem, steps + 1, 0).z
        curvature = problem.quadratic.hessian.diagonal()
        v = before - problem.gradient(before) / curvature
        gains = curvature * (v.sign() * (v.abs() - 0.05 / curvature).clamp_min(0) - before) ** 2
        assert torch.equal((after != before).double().argmax(1), gains.argmax(1))
    cyclic = CoordinateDescent(order="cyclic")
    for steps in (0, 3, 50):
        before, after = solve(cyclic, problem, steps, 0).z, solve(cyclic, problem, steps + 1, 0).z
        others = [unit for unit in range(UNITS) if unit != steps % UNITS]
        assert torch.equal(after[:, others], before[:, others]) and (after != before).any()


def test_units_in_other_units_of_measure_take_the_same_path():
    """z_j in thirds, its column and its weight three times larger: the choice of a unit does not depend on it."""
    scale = torch.logspace(-1, 1, UNITS).double()
    d, y = dictionary(), signals()
    for steps in (1, 10, 40):
        plain = solve(CoordinateDescent(), lasso(d, y), steps, 0).z
        scaled = solve(CoordinateDescent(), lasso(d * scale, y, WEIGHT * scale), steps, 0).z
        torch.testing.assert_close(scaled * scale, plain, rtol=1e-9, atol=1e-12)


@BOTH
def test_energies_never_rise(solver):
    problem = lasso(dictionary(torch.logspace(-1, 1, UNITS).double()), signals(), 0.1)
    energies = torch.stack([problem.energy(solve(solver, problem, steps, 0).z) for steps in range(0, 90, 3)])
    assert (energies[1:] <= energies[:-1] + 1e-12).all() and (energies[-1] < energies[0]).all()


@BOTH
def test_it_agrees_with_fista_where_columns_differ(solver):
    d = torch.randn(30, 12, generator=torch.Generator().manual_seed(3)).double() * torch.linspace(0.3, 3, 12).double()
    y = torch.randn(6, 30, generator=torch.Generator().manual_seed(4)).double()
    for nonnegative in (False, True):
        problem = lasso(d, y, 1.7, nonnegative)
        found, known = solve(solver, problem, 20_000, 1e-11), solve(Fista(), problem, 20_000, 1e-11)
        torch.testing.assert_close(found.z, known.z, rtol=1e-4, atol=1e-5)
        assert (found.status == CONVERGED).all() and 0.1 < (found.z == 0).double().mean() < 0.9


def test_a_code_of_one_unit_needs_no_sweep():
    """64 units, one of them alone in the signal: sure of it at the first look, after 10 steps."""
    d = torch.linalg.qr(torch.randn(64, 64, generator=torch.Generator().manual_seed(5)).double()).Q
    found = solve(CoordinateDescent(), lasso(d, 2 * d[:, [7, 50]].T), 500, 1e-6)
    assert (found.steps == 10).all() and (found.status == CONVERGED).all()
    assert found.z.nonzero().tolist() == [[0, 7], [1, 50]]


def test_a_step_reads_one_column_and_no_product_with_the_hessian(monkeypatch):
    problem = lasso(dictionary(), signals())
    asked = []
    product = Quadratic.gradient
    monkeypatch.setattr(Quadratic, "gradient", lambda form, z: asked.append(len(z)) or product(form, z))
    solve(CoordinateDescent(), problem, 200, 0)
    assert len(asked) == 1 + 1, "once at the start, and once for the certificate at the end"


@BOTH
def test_a_unit_without_curvature_stays_where_its_magnitude_costs_and_is_a_number(solver):
    d = dictionary()
    d[:, 4] = 0
    found = solve(solver, lasso(d, signals()), 300, 0)
    assert found.z.isfinite().all() and (found.z[:, 4] == 0).all()


@BOTH
def test_it_begins_where_it_is_told_to(solver):
    problem = lasso(dictionary(), signals())
    known = solve(Fista(), problem, 5000, 1e-12).z
    near = Problem(known + 1e-3, problem.smooth, problem.gradient, problem.bound, problem.rest, problem.quadratic)
    far = solve(solver, problem, UNITS, 0).z
    assert (solve(solver, near, UNITS, 0).z - known).norm() < 0.1 * (far - known).norm()


def test_errors_fall_as_published_calibrations_do():
    """Single updates against steps of FISTA, on random dictionaries with as many units as inputs: 20 updates are worth about 7
    steps, 100 about 18. The rows of sparse coding on patches of photographs (25 of 100 units active): 5.5 and 0.6 of 38."""
    source = torch.Generator().manual_seed(2)
    d = torch.randn(100, 100, generator=source).double()
    d, codes = d / d.norm(dim=0), torch.randn(40, 100, generator=source).double() * (torch.rand(40, 100, generator=source) < 0.2)
    problem = lasso(d, codes @ d.T, 0.3)
    known = solve(Fista(), problem, 3000, 1e-10).z
    error = lambda solver, steps: (solve(solver, problem, steps, 0).z - known).square().sum() / known.square().sum()  # noqa: E731
    row = torch.stack([error(CoordinateDescent(), steps) for steps in (5, 10, 20, 50, 100, 200, 400)])
    assert (row[1:] < row[:-1]).all()
    assert 0.2 < row[0] < 0.7 and row[3] < 0.15 and row[4] < 0.05 and row[6] < 0.002
    assert error(Fista(restart=False), 3) > row[2] > error(Fista(restart=False), 18) > row[5]
