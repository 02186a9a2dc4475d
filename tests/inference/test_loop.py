"""The loop itself: what it promises whatever the solver."""

from __future__ import annotations

import pytest
import torch

from factorgraph.inference import loop
from factorgraph.inference.loop import CHECK_EVERY, solve
from factorgraph.inference.problem import CONVERGED, NOT_FINITE, OUT_OF_STEPS, SENTENCES, Problem, Quadratic
from factorgraph.inference.solvers.fista import Fista
from factorgraph.inference.solvers.gradient import Gradient
from factorgraph.inference.solvers.ista import Ista
from factorgraph.inference.solvers.lbfgs import Lbfgs


def bowl(start, gradient=None, bound=1.0):
    """|z|^2 / 2 with a bound that makes every step a tenth of the way."""
    return Problem(
        start=start,
        smooth=lambda z: z.square().flatten(1).sum(1) / 2,
        gradient=gradient or (lambda z: z),
        bound=torch.tensor(10.0 * bound, dtype=start.dtype),
    )


def test_steps_are_counted_in_blocks_and_never_beyond_the_limit():
    start = torch.ones(2, 3)
    for limit in (1, 7, CHECK_EVERY, CHECK_EVERY + 3):
        found = solve(Ista(), bowl(start), limit, 0)
        torch.testing.assert_close(found.z, start * 0.9**limit)
        assert (found.steps == limit).all() and (found.status == OUT_OF_STEPS).all()


def test_a_row_keeps_the_last_code_that_was_seen_finite():
    calls = []

    def gradient(z):
        calls.append(1)
        broken = z.clone()
        if len(calls) > CHECK_EVERY + 5:
            broken[1] = torch.inf
        return broken

    found = solve(Ista(), bowl(torch.ones(3, 2), gradient), 100, 0)
    torch.testing.assert_close(found.z[1], torch.full((2,), 0.9**CHECK_EVERY))
    assert found.status.tolist() == [OUT_OF_STEPS, NOT_FINITE, OUT_OF_STEPS]
    assert found.steps.tolist() == [100, CHECK_EVERY, 100]
    assert SENTENCES[found.status[1]] == "not finite"


@pytest.mark.parametrize("solver", [Fista(), Ista(), Gradient(), Lbfgs()])
def test_a_start_that_is_not_finite_ends_as_zero_and_says_so(solver):
    start = torch.ones(3, 2)
    start[1, 0] = torch.nan
    for steps in (0, 30):
        found = solve(solver, bowl(start), steps, 1e-4)
        assert found.z.isfinite().all() and found.status[1] == NOT_FINITE
        assert found.status[0] != NOT_FINITE


def test_no_gradient_is_recorded_but_the_problem_may_need_one():
    matrix = torch.eye(3, requires_grad=True)

    def gradient(z):
        with torch.enable_grad():
            point = z.detach().requires_grad_()
            (slope,) = torch.autograd.grad((point @ matrix).square().sum() / 2, point)
        return slope

    found = solve(Ista(), bowl(torch.ones(2, 3), gradient), 20, 0)
    assert not found.z.requires_grad
    torch.testing.assert_close(found.z, torch.full((2, 3), 0.9**20))


def test_samples_that_are_one_number_each():
    start = torch.tensor([1.0, 2.0, -3.0])
    problem = Problem(start, lambda z: z.square() / 2, lambda z: z, torch.tensor(2.0))
    for solver in (Fista(), Ista(), Gradient(), Lbfgs()):
        found = solve(solver, problem, 200, 1e-6)
        torch.testing.assert_close(found.z, torch.zeros(3), atol=1e-5, rtol=0)
        assert found.z.shape == (3,)


def test_already_at_the_minimum():
    found = solve(Fista(), bowl(torch.zeros(2, 3)), 100, 1e-4)
    assert (found.status == CONVERGED).all() and (found.steps == CHECK_EVERY).all()


def test_rows_that_are_searched_some_at_a_time_end_where_all_together_do(monkeypatch):
    source = torch.Generator().manual_seed(0)
    d, y = torch.randn(4, 6, generator=source, dtype=torch.float64), torch.randn(7, 4, generator=source, dtype=torch.float64)
    sizes = []

    def posed(y):
        form = Quadratic(d.T @ d + torch.eye(6, dtype=torch.float64), -y @ d, y.square().sum(1) / 2)
        sizes.append(len(y))
        bound = torch.linalg.eigvalsh(form.hessian)[-1]
        return Problem(y.new_zeros(len(y), 6), form.value, form.gradient, bound, quadratic=form, take=lambda rows: posed(y[rows]))

    y[4] = torch.nan
    whole = solve(Fista(), posed(y), 1000, 1e-12)
    assert set(whole.status.tolist()) == {CONVERGED, NOT_FINITE}
    monkeypatch.setattr(loop, "TILE", 3 * 6)
    sizes.clear()
    found = solve(Fista(), posed(y), 1000, 1e-12)
    assert sizes[0] == 7 and max(sizes[1:]) == 3
    torch.testing.assert_close(vars(found), vars(whole), rtol=0, atol=1e-11)
    torch.testing.assert_close(found.z[:4], torch.linalg.solve(d.T @ d + torch.eye(6, dtype=torch.float64), d.T @ y[:4].T).T)
