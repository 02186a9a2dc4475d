"""Sparse codes against scikit-learn's and against the conditions that characterise them (no solver of ours is its own judge)."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from factorgraph.factors.l1 import L1
from factorgraph.inference.certificate import duality_gap
from factorgraph.inference.loop import solve
from factorgraph.inference.problem import CONVERGED, NOT_FINITE, OUT_OF_STEPS, Problem, Quadratic, Rest
from factorgraph.inference.solvers.admm import Admm
from factorgraph.inference.solvers.coordinate_descent import CoordinateDescent
from factorgraph.inference.solvers.fista import Fista
from factorgraph.inference.solvers.ista import Ista

WEIGHT, BATCH, INPUTS, UNITS = 0.37, 7, 20, 33


def dictionary(dtype=torch.float64):
    d = torch.randn(INPUTS, UNITS, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return (d / d.norm(dim=0)).to(dtype)


def signals(dtype=torch.float64):
    return (0.7 * torch.randn(BATCH, INPUTS, generator=torch.Generator().manual_seed(1), dtype=torch.float64)).to(dtype)


def lasso(d, y, *, weight=WEIGHT, nonnegative=False, form="quadratic", bound=1.0, l1=True):
    """|y - D z|^2 / 2 + weight |z|_1. ``form``: what the solver is told of the smooth part; ``bound``: times the true one."""
    leaf = L1(of="Z")
    weights = torch.full((UNITS,), weight, dtype=d.dtype)

    def prox(v, t):
        z = leaf.prox(v, weight * t)
        return z.clamp_min(0) if nonnegative else z

    return Problem(
        start=torch.zeros(len(y), UNITS, dtype=d.dtype),
        smooth=lambda z: (z @ d.T - y).square().sum(1) / 2,
        gradient=lambda z: (z @ d.T - y) @ d,
        bound=None if form == "backtracking" else bound * torch.linalg.matrix_norm(d, 2) ** 2,
        rest=Rest(lambda z: weight * z.abs().sum(1), prox, weights if l1 else None, nonnegative),
        quadratic=Quadratic(d.T @ d, -y @ d, y.square().sum(1) / 2) if form == "quadratic" else None,
        squares=form == "quadratic",
        take=lambda rows: lasso(d, y[rows], weight=weight, nonnegative=nonnegative, form=form, bound=bound, l1=l1),
    )


def known(d, y, nonnegative=False):
    linear_model = pytest.importorskip("sklearn.linear_model")
    model = linear_model.Lasso(alpha=WEIGHT / INPUTS, fit_intercept=False, positive=nonnegative, tol=1e-12, max_iter=100_000)
    return torch.stack([torch.tensor(model.fit(d.numpy(), row.numpy()).coef_) for row in y])


CASES = [
    (Fista(), "quadratic"),
    (Fista(), "bounded"),
    (Fista(restart=False), "quadratic"),
    (Ista(), "quadratic"),
    (Ista(), "bounded"),
    (Ista(), "backtracking"),
    (Admm(), "quadratic"),
    (CoordinateDescent(), "quadratic"),
    (CoordinateDescent(order="cyclic"), "quadratic"),
]
TIGHT = {"quadratic": 1e-10, "bounded": 1e-10, "backtracking": 1e-9}
each = pytest.mark.parametrize(("solver", "form"), CASES, ids=lambda it: it if isinstance(it, str) else str(it).replace("'", ""))


@each
@pytest.mark.parametrize("nonnegative", [False, True])
def test_energies_are_those_of_another_library(solver, form, nonnegative):
    d, y = dictionary(), signals()
    problem = lasso(d, y, nonnegative=nonnegative, form=form)
    best = problem.energy(known(d, y, nonnegative))
    found = solve(solver, problem, 5000, 1e-6)
    assert (problem.energy(found.z) / best - 1).abs().max() < 1e-6 and (found.status == CONVERGED).all()
    single = lasso(dictionary(torch.float32), signals(torch.float32), nonnegative=nonnegative, form=form)
    single = solve(solver, single, 5000, 1e-5)
    assert (problem.energy(single.z.double()) / best - 1).abs().max() < 1e-5
    assert (single.z >= 0).all() or not nonnegative


@each
def test_codes_meet_the_conditions_of_optimality(solver, form):
    d, y = dictionary(), signals()
    found = solve(solver, lasso(d, y, form=form), 20_000, TIGHT[form])
    correlation, z = (y - found.z @ d.T) @ d, found.z
    assert (correlation[z == 0].abs() <= WEIGHT * (1 + 1e-4)).all()
    torch.testing.assert_close(correlation[z != 0], WEIGHT * z[z != 0].sign(), rtol=1e-4, atol=0)
    assert 0 < (z != 0).sum() < 0.6 * z.numel()
    assert (found.status == CONVERGED).all()


@each
def test_nonnegative_codes_meet_their_conditions(solver, form):
    d, y = dictionary(), signals()
    z = solve(solver, lasso(d, y, nonnegative=True, form=form), 20_000, TIGHT[form]).z
    correlation = (y - z @ d.T) @ d
    assert (z >= 0).all() and (correlation[z == 0] <= WEIGHT * (1 + 1e-4)).all()
    torch.testing.assert_close(correlation[z > 0], torch.full_like(correlation[z > 0], WEIGHT), rtol=1e-4, atol=0)


@pytest.mark.parametrize("nonnegative", [False, True])
def test_the_gap_is_never_below_the_true_distance_and_closes(nonnegative):
    d, y = dictionary(), signals()
    problem = lasso(d, y, nonnegative=nonnegative)
    best = problem.energy(known(d, y, nonnegative))
    gaps = []
    for steps in (0, 1, 3, 10, 30, 100, 1000):
        z = solve(Fista(), problem, steps, 0).z
        gap = duality_gap(problem, z) * problem.energy(z)
        assert (gap >= problem.energy(z) - best - 1e-9).all()
        gaps.append(gap.mean())
    assert gaps[-1] < 1e-8 * gaps[0]


def test_the_gap_is_the_textbooks():
    """Against primal less dual written out, in the points that the solver meets on its way."""
    d, y = dictionary(), signals()
    problem = lasso(d, y)
    for steps in (1, 7, 50):
        z = solve(Fista(), problem, steps, 0).z
        r = y - z @ d.T
        s = (WEIGHT / (r @ d).abs().amax(1)).clamp_max(1)
        dual = s * (r * y).sum(1) - s**2 * r.square().sum(1) / 2
        torch.testing.assert_close(duality_gap(problem, z), (problem.energy(z) - dual) / problem.energy(z), rtol=1e-7, atol=1e-10)


def test_a_signal_of_zeros_has_a_code_of_zeros_at_once():
    y = signals()
    y[2] = 0
    found = solve(Fista(), lasso(dictionary(), y), 100, 1e-6)
    assert (found.z[2] == 0).all() and found.status[2] == CONVERGED and found.steps[2] == 10


def test_without_a_weight_the_residual_judges():
    """Least squares over z >= 0: the dual has no interior point to scale to, so a gap would never close."""
    nonnegative = pytest.importorskip("scipy.optimize").nnls
    d, y = dictionary(), signals()
    problem = lasso(d, y, weight=0.0, nonnegative=True)
    found = solve(Fista(), problem, 20_000, 1e-9)
    assert (found.status == CONVERGED).all()
    best = torch.stack([torch.tensor(nonnegative(d.numpy(), row.numpy())[0]) for row in y])
    assert (problem.energy(found.z) - problem.energy(best)).max() < 1e-8


@each
def test_one_row_that_is_not_a_number_disturbs_no_other(solver, form):
    d, y = dictionary(), signals()
    clean = solve(solver, lasso(d, y, form=form), 1000, 1e-6)
    broken = y.clone()
    broken[3, 5] = torch.nan
    for tolerance in (1e-6, 0.0):
        found = solve(solver, lasso(d, broken, form=form), 1000, tolerance)
        others = torch.tensor([0, 1, 2, 4, 5, 6])
        assert found.status[3] == NOT_FINITE and found.steps[3] == 0
        assert found.z.isfinite().all() and found.status[others].ne(NOT_FINITE).all()
        torch.testing.assert_close(found.z[others], clean.z[others], rtol=1e-2, atol=1e-2)
    assert (found.status[others] == OUT_OF_STEPS).all() and (found.steps[others] == 1000).all()


@pytest.mark.parametrize("solver", [Fista(), Ista()])
@pytest.mark.parametrize("form", ["quadratic", "bounded"])
def test_a_bound_that_is_too_small_shows(solver, form):
    for dtype in (torch.float32, torch.float64):
        found = solve(solver, lasso(dictionary(dtype), signals(dtype), form=form, bound=0.2), 2000, 1e-6)
        assert found.z.isfinite().all()
        assert (found.status != CONVERGED).all()


@each
def test_rows_that_are_done_leave_and_change_nothing_for_the_rest(solver, form):
    d, y = dictionary(), signals()
    y[:4] *= 1e-3  # below their threshold: done at the first look
    together = solve(solver, lasso(d, y, form=form), 5000, 1e-6)
    for row in range(BATCH):
        alone = solve(solver, lasso(d, y[row : row + 1], form=form), 5000, 1e-6)
        torch.testing.assert_close(together.z[row], alone.z[0], rtol=1e-9, atol=1e-11)
        assert together.steps[row] == alone.steps[0] and together.status[row] == alone.status[0] == CONVERGED
    assert (together.steps[:4] == 10).all() and (together.steps[4:] > 10).all()


def test_rows_that_are_done_cost_nothing():
    """Counted, not timed: the rows that gradients are asked for."""
    d, y = dictionary(), signals()
    y[:4] *= 1e-3
    asked: list[int] = []

    def counted(problem):
        def gradient(z):
            asked.append(len(z))
            return problem.gradient(z)

        take = problem.take
        return Problem(
            problem.start, problem.smooth, gradient, problem.bound, problem.rest, take=lambda rows: counted(take(rows))
        )

    solve(Ista(), counted(lasso(d, y, form="bounded")), 300, 1e-8)
    assert asked[0] == BATCH and asked[-1] <= 3


def test_without_take_rows_freeze_all_the_same():
    d, y = dictionary(), signals()
    y[:4] *= 1e-3
    problem = lasso(d, y)
    fixed = replace(problem, take=None)
    found, other = solve(Fista(), fixed, 2000, 1e-8), solve(Fista(), problem, 2000, 1e-8)
    torch.testing.assert_close(found.z, other.z, rtol=1e-9, atol=1e-11)
    assert torch.equal(found.steps, other.steps) and torch.equal(found.status, other.status)


def test_certificates_and_statuses_are_those_of_the_codes():
    problem = lasso(dictionary(), signals())
    found = solve(Fista(), problem, 60, 1e-5)
    torch.testing.assert_close(found.certificate, duality_gap(problem, found.z), rtol=1e-6, atol=1e-12)
    assert torch.equal(found.status == CONVERGED, found.certificate < 1e-5)
    assert {int(each_) for each_ in found.status} == {CONVERGED, OUT_OF_STEPS}, "the case shows nothing unless both occur"


def test_restart_needs_fewer_steps():
    problem = lasso(dictionary(), signals())
    steps = {restart: solve(Fista(restart=restart), problem, 5000, 1e-8).steps.double().mean() for restart in (True, False)}
    assert steps[True] < 0.7 * steps[False]
    assert steps[True] < 0.7 * solve(Ista(), problem, 5000, 1e-8).steps.double().mean()


def test_the_first_steps_are_the_papers():
    """Momentum without restart against the recursion as it stands in Beck & Teboulle, equations 4.1 to 4.3."""
    d, y = dictionary(), signals()
    lipschitz = torch.linalg.matrix_norm(d, 2) ** 2
    z, point, t = torch.zeros(BATCH, UNITS, dtype=torch.float64), torch.zeros(BATCH, UNITS, dtype=torch.float64), 1.0
    for steps in range(1, 26):
        v = point - (point @ d.T - y) @ d / lipschitz
        following = v.sign() * (v.abs() - WEIGHT / lipschitz).clamp_min(0)
        t, before = (1 + (1 + 4 * t * t) ** 0.5) / 2, t
        point, z = following + (before - 1) / t * (following - z), following
        for form in ("quadratic", "bounded"):
            torch.testing.assert_close(solve(Fista(restart=False), lasso(d, y, form=form), steps, 0).z, z)


def test_codes_agree_between_precisions_shapes_and_strides():
    d, y = dictionary(), signals()
    problem = lasso(d, y)
    start = torch.zeros(UNITS, BATCH, dtype=torch.float64).T
    assert not start.is_contiguous()
    strided = Problem(start, problem.smooth, problem.gradient, problem.bound, problem.rest, problem.quadratic)
    torch.testing.assert_close(solve(Fista(), strided, 50, 0).z, solve(Fista(), problem, 50, 0).z)
