"""Sparse codes by their supports: compiled and in torch they meet the same minimum, and their certificates can be believed."""

from __future__ import annotations

from dataclasses import replace

import numpy
import pytest
import torch

from factorgraph.inference.certificate import duality_gap
from factorgraph.inference.loop import solve
from factorgraph.inference.problem import CONVERGED, NOT_FINITE, OUT_OF_STEPS, Problem, Quadratic, Rest
from factorgraph.inference.solvers.active_set import ActiveSet
from factorgraph.inference.solvers.fista import Fista
from factorgraph.kernels.build import missing

INPUTS = 20
COMPILED = pytest.param(True, marks=pytest.mark.skipif(bool(missing("active_set")), reason=missing("active_set")))
both = pytest.mark.parametrize("compiled", [COMPILED, False])
only_compiled = pytest.mark.skipif(bool(missing("active_set")), reason=missing("active_set"))


def lasso(d, y, weight, *, nonnegative=False, ridge=0.0, compiled=True, start=None):
    """|y - D z|^2 / 2 + ridge |z|^2 / 2 + weight.|z|"""
    units = d.shape[1]
    weights = torch.as_tensor(weight, dtype=d.dtype).expand(units)
    hessian = d.T @ d + ridge * torch.eye(units, dtype=d.dtype)

    def prox(v, t):
        z = v.sign() * (v.abs() - t * weights).clamp_min(0)
        return z.clamp_min(0) if nonnegative else z

    form = Quadratic(hessian, -y @ d, y.square().sum(1) / 2)
    return Problem(
        start=y.new_zeros(len(y), units) if start is None else start,
        smooth=form.value,
        gradient=form.gradient,
        bound=torch.linalg.eigvalsh(hessian.double()).amax().to(d.dtype) * 1.001,
        rest=Rest(lambda z: (weights * z.abs()).sum(1), prox, weights, nonnegative),
        quadratic=form,
        squares=True,
        compiled=compiled,
    )


def random(units, batch=6, seed=0, dtype=torch.float32):
    source = torch.Generator().manual_seed(seed)
    d = torch.randn(INPUTS, units, generator=source, dtype=torch.float64) / INPUTS**0.5
    y = torch.randn(batch, INPUTS, generator=source, dtype=torch.float64)
    return d.to(dtype), y.to(dtype)


def twins(units):
    """Each atom twice, and one of zeros."""
    d, y = random(units)
    d[:, units // 2 :] = d[:, : units - units // 2]
    d[:, 1] = 0
    return d, y


def near_twins(units):
    d, y = random(units)
    d[:, units // 2 :] = d[:, : units - units // 2] + 1e-4 * random(units, seed=5)[0][:, units // 2 :]
    return d, y


def uneven(units):
    """Atoms of very different lengths."""
    d, y = random(units)
    return d * torch.logspace(-2, 1, units), y


CASES = {
    "random": lambda: (*random(33), 0.2),
    "one unit": lambda: (*random(1), 0.1),
    "a vector and one": lambda: (*random(17), 0.1),
    "many": lambda: (*random(300), 0.3),
    "weights of each": lambda: (*random(40), torch.linspace(0.05, 0.6, 40)),
    "lengths": lambda: (*uneven(40), 0.2),
    "twins": lambda: (*twins(32), 0.2),
    "near twins": lambda: (*near_twins(32), 0.2),
    "huge weights": lambda: (*random(33), 1e30),
    "tiny weights": lambda: (*random(12), 1e-4),
    "a signal of zeros": lambda: (random(33)[0], torch.zeros(3, INPUTS), 0.2),
    "large numbers": lambda: (random(33)[0], 1e6 * random(33)[1], 2e5),
}


@both
@pytest.mark.parametrize("nonnegative", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_it_ends_where_another_solver_does_and_can_say_so(case, nonnegative, compiled):
    d, y, weight = CASES[case]()
    problem = lasso(d, y, weight, nonnegative=nonnegative, compiled=compiled)
    found = solve(ActiveSet(), problem, 300, 1e-5)
    precise = lasso(d.double(), y.double(), torch.as_tensor(weight).double(), nonnegative=nonnegative)
    best = precise.energy(solve(Fista(), precise, 20_000, 1e-10).z)
    energy = precise.energy(found.z.double())
    assert (found.status == CONVERGED).all() and (found.certificate < 1e-5).all()
    assert (energy - best <= 2e-5 * best.clamp_min(1e-30)).all()
    rounding = 2e-4 if case in ("tiny weights", "lengths") else 1e-5  # of a slope, beside the weight that it is compared with
    torch.testing.assert_close(duality_gap(precise, found.z.double()).float(), found.certificate, rtol=0.1, atol=rounding)
    assert (found.z >= 0).all() or not nonnegative


@only_compiled
@pytest.mark.parametrize("nonnegative", [False, True])
def test_double_precision_meets_the_conditions_of_optimality(nonnegative):
    d, y = random(60, dtype=torch.float64)
    problem = lasso(d, y, 0.2, nonnegative=nonnegative)
    found = solve(ActiveSet(), problem, 100, 1e-13)
    pull, z = -problem.gradient(found.z), found.z
    assert z.dtype == torch.float64 and (found.status == CONVERGED).all() and 0 < (z != 0).double().mean() < 0.5
    torch.testing.assert_close(pull[z != 0], 0.2 * z[z != 0].sign(), rtol=1e-6, atol=0)
    assert ((pull if nonnegative else pull.abs())[z == 0] <= 0.2 * (1 + 1e-6)).all()


@only_compiled
def test_a_ridge_beside_the_squares_counts_as_one_of_them():
    """The gap of |y - D z|^2 / 2 + r |z|^2 / 2 is that of the stacked squares."""
    d, y = random(33)
    found = solve(ActiveSet(), lasso(d, y, 0.2, ridge=0.5), 100, 1e-5)
    stacked = torch.cat([d.double(), 0.5**0.5 * torch.eye(33).double()]), torch.cat([y, torch.zeros(len(y), 33)], 1).double()
    precise = lasso(*stacked, 0.2)
    assert (duality_gap(precise, found.z.double()) < 1.1e-5).all() and (found.status == CONVERGED).all()


@both
def test_it_begins_at_the_start(compiled):
    d, y = random(33)
    best = solve(ActiveSet(), lasso(d, y, 0.2, compiled=compiled), 300, 1e-6).z
    dense = best + torch.randn(best.shape, generator=torch.Generator().manual_seed(3))
    for start in (best, dense):
        found = solve(ActiveSet(), lasso(d, y, 0.2, compiled=compiled, start=start.clone()), 300, 1e-5)
        assert (found.status == CONVERGED).all()
        torch.testing.assert_close(found.z, best, rtol=0, atol=2e-2)
    assert (solve(ActiveSet(), lasso(d, y, 0.2, compiled=compiled, start=best.clone()), 300, 1e-5).steps <= 10).all()


@only_compiled
def test_a_code_depends_neither_on_threads_nor_on_neighbours():
    d, y = random(40, batch=203)
    problem = lasso(d, y, 0.2)
    whole = solve(ActiveSet(), problem, 100, 1e-5)
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            again = solve(ActiveSet(), problem, 100, 1e-5)
            assert torch.equal(again.z, whole.z) and torch.equal(again.steps, whole.steps)
    finally:
        torch.set_num_threads(before)
    rows = torch.tensor([202, 7, 7, 100])
    few = solve(ActiveSet(), lasso(d, y[rows], 0.2), 100, 1e-5)
    assert torch.equal(few.certificate.isfinite(), torch.ones(4, dtype=torch.bool))
    torch.testing.assert_close(few.z, whole.z[rows], rtol=0, atol=1e-4)  # products of fewer rows round differently


@both
@pytest.mark.parametrize("what", ["linear", "constant", "start", "hessian"])
def test_what_is_no_number_is_told_and_disturbs_no_other_row(what, compiled):
    d, y = random(33)
    problem = lasso(d, y, 0.2, compiled=compiled)
    clean = solve(ActiveSet(), problem, 100, 1e-5)
    form, start = problem.quadratic, problem.start.clone()
    hessian, linear, constant = form.hessian.clone(), form.linear.clone(), form.constant.clone()
    {"linear": linear, "constant": constant[:, None], "start": start, "hessian": hessian}[what][3, 0] = torch.nan
    form = Quadratic(hessian, linear, constant)
    broken = replace(problem, start=start, quadratic=form, smooth=form.value, gradient=form.gradient)
    found = solve(ActiveSet(), broken, 100, 1e-5)
    lost = torch.arange(len(y)) == 3 if what != "hessian" else torch.ones(len(y), dtype=torch.bool)
    assert (found.status[lost] == NOT_FINITE).all() and (found.steps[lost] == 0).all()
    assert found.z.isfinite().all()
    assert (found.status[~lost] == CONVERGED).all()
    torch.testing.assert_close(found.z[~lost], clean.z[~lost], rtol=0, atol=1e-4)


@both
def test_without_a_tolerance_it_takes_all_steps(compiled):
    d, y = random(33)
    found = solve(ActiveSet(), lasso(d, y, 0.2, compiled=compiled), 20, 0.0)
    assert (found.status == OUT_OF_STEPS).all() and (found.steps == 20).all()
    few = solve(ActiveSet(), lasso(d, y, 0.01, compiled=compiled), 1, 1e-7)
    assert (few.status == OUT_OF_STEPS).any() and (few.steps == 1).all() and (few.certificate > 1e-7).any()


@only_compiled
def test_memory_that_is_strided_or_shaped_is_read_as_it_stands():
    d, y = random(12)
    plain = lasso(d, y, 0.2)
    found = solve(ActiveSet(), plain, 100, 1e-5)
    form = plain.quadratic
    strided = Quadratic(form.hessian.T, form.linear.T.contiguous().T, form.constant)
    start = torch.zeros(2, 6, len(y)).permute(2, 0, 1)
    shaped = replace(plain, start=start, quadratic=strided, rest=replace(plain.rest, l1=torch.full((2, 6), 0.2)))
    assert torch.equal(solve(ActiveSet(), shaped, 100, 1e-5).z.reshape(len(y), 12), found.z)


@only_compiled
def test_numbers_of_another_precision_are_read_as_numbers():
    """As a Hessian from a product in half precision."""
    d, y = random(12)
    plain = lasso(d, y, 0.2)
    form, rest = plain.quadratic, plain.rest
    mixed = Quadratic(form.hessian.bfloat16(), form.linear.double(), form.constant.double())
    as_one = Quadratic(mixed.hessian.float(), form.linear, form.constant)
    found = [
        ActiveSet().search(replace(plain, quadratic=each, rest=replace(rest, l1=rest.l1.to(kind))), 100, 1e-5)
        for each, kind in ((mixed, torch.float64), (as_one, torch.float32))
    ]
    assert torch.equal(found[0].z, found[1].z) and found[0].z.dtype == torch.float32 and (found[0].z != 0).any()


@only_compiled
def test_a_weight_of_zero_is_left_to_torch():
    """There is no gap then; the residual judges."""
    d, y = random(12)
    weight = torch.full((12,), 0.2)
    weight[3] = 0
    problem = lasso(d, y, weight, nonnegative=True)
    assert ActiveSet().search(problem, 100, 1e-4) is None
    assert (solve(ActiveSet(), problem, 1000, 1e-4).status == CONVERGED).all()


@only_compiled
def test_scikit_learn_has_the_same_codes():
    linear_model = pytest.importorskip("sklearn.linear_model")
    d, y = random(33, dtype=torch.float64)
    found = solve(ActiveSet(), lasso(d, y, 0.2), 100, 1e-12).z
    model = linear_model.Lasso(alpha=0.2 / INPUTS, fit_intercept=False, tol=1e-14, max_iter=100_000)
    known = numpy.stack([model.fit(d.numpy(), row.numpy()).coef_ for row in y])
    numpy.testing.assert_allclose(found.numpy(), known, atol=1e-6)
