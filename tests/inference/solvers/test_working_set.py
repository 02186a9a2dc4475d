"""Sparse maps behind a convolution: compiled and in torch they meet the same minimum, and their certificates can be believed."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from factorgraph.inference.certificate import duality_gap
from factorgraph.inference.convolved import Convolved
from factorgraph.inference.loop import solve
from factorgraph.inference.problem import CONVERGED, NOT_FINITE, OUT_OF_STEPS, Problem, Quadratic, Rest
from factorgraph.inference.solvers.working_set import WorkingSet
from factorgraph.kernels.build import missing

only_compiled = pytest.mark.skipif(bool(missing("working_set")), reason=missing("working_set"))
both = pytest.mark.parametrize("compiled", [pytest.param(True, marks=only_compiled), False])


def form(maps=3, side=3, rows=7, columns=9, colours=1, batch=2, *, cut=0, own=0.0, seed=0, tilt=0.0) -> Convolved:
    """With a mask that hides a corner, a border and one pixel in the middle."""
    source = torch.Generator().manual_seed(seed)

    def random(*shape):
        return torch.randn(*shape, generator=source, dtype=torch.float64)

    height, width = rows + side - 1 - 2 * cut, columns + side - 1 - 2 * cut
    mask = torch.ones(1, colours, height, width, dtype=torch.float64)
    mask[..., :2, :2], mask[..., -1], mask[..., height // 2, width // 2] = 0, 0, 0
    number = torch.tensor(0.0, dtype=torch.float64)
    return Convolved(
        kernels=random(colours, maps, side, side) / side,
        cut=cut,
        shape=(maps, rows, columns),
        mask=mask,
        target=random(batch, colours, height, width) * mask,
        curvature=number + 1.3,
        own=number + own,
        linear=tilt * random(batch, maps * rows * columns),
        constant=number + tilt * torch.full((batch,), 900.0, dtype=torch.float64),  # as of squares: never below 0
    )


def typed(a: Convolved, dtype: torch.dtype) -> Convolved:
    parts = {name: getattr(a, name).to(dtype) for name in ("kernels", "mask", "target", "curvature", "own", "linear", "constant")}
    return replace(a, **parts)


def dense(a: Convolved) -> Quadratic:
    """The Hessian written down, by transposed convolutions of single units, in double precision."""
    units = a.shape[0] * a.shape[1] * a.shape[2]
    each = torch.eye(units, dtype=torch.float64).reshape(units, *a.shape)
    drawn = torch.nn.functional.conv_transpose2d(each, a.kernels.transpose(0, 1))
    end = [size - a.cut for size in drawn.shape[-2:]]
    seen = (drawn[..., a.cut : end[0], a.cut : end[1]] * a.mask).flatten(1)
    hessian = a.curvature * seen @ seen.T + a.own * torch.eye(units, dtype=torch.float64)
    target = a.target.flatten(1)
    return Quadratic(hessian, a.linear - a.curvature * target @ seen.T, a.constant + a.curvature / 2 * target.square().sum(1))


def problem(a: Convolved, weight, *, nonnegative=False, compiled=True, dtype=torch.float32, start=None) -> Problem:
    weights = torch.as_tensor(weight, dtype=dtype).expand(a.linear.shape[1]).reshape(a.shape)
    seen = typed(a, dtype)

    def prox(v, t):
        z = v.sign() * (v.abs() - t * weights).clamp_min(0)
        return z.clamp_min(0) if nonnegative else z

    return Problem(
        start=torch.zeros(len(a.linear), *a.shape, dtype=dtype) if start is None else start,
        smooth=seen.value,
        gradient=seen.gradient,
        rest=Rest(lambda z: (weights * z.abs()).flatten(1).sum(1), prox, weights, nonnegative),
        convolved=seen,
        squares=True,
        compiled=compiled,
    )


def written(a: Convolved, weight, nonnegative: bool) -> Problem:
    """The same by the dense Hessian, in double precision: its duality gap bounds how far a code can be from the minimum."""
    closed, weights = dense(a), torch.as_tensor(weight).double().expand(a.linear.shape[1])
    rest = Rest(lambda z: (weights * z.abs()).sum(1), lambda v, t: v, weights, nonnegative)
    start = torch.zeros_like(a.linear)
    return Problem(start=start, smooth=closed.value, gradient=closed.gradient, rest=rest, quadratic=closed, squares=True)


def twins() -> Convolved:
    """Each kernel twice, and one of zeros."""
    a = form(maps=5)
    return replace(a, kernels=torch.cat([a.kernels[:, :2], a.kernels[:, :2], 0 * a.kernels[:, :1]], 1))


def uneven() -> Convolved:
    a = form(maps=5)
    return replace(a, kernels=a.kernels * torch.logspace(-1.5, 0.5, 5, dtype=torch.float64)[:, None, None])


CASES = {
    "random": lambda: (form(), 0.2),
    "one map, one pixel": lambda: (form(1, 1, 3, 3), 0.1),
    "two bands and two colours": lambda: (form(2, 4, 21, 6, colours=2, batch=1), 0.4),
    "vectors and one": lambda: (form(5, 2, 3, 25, batch=1), 0.3),
    "wider than a vector": lambda: (form(2, 9, 5, 4), 0.3),
    "a picture smaller than what kernels reach": lambda: (form(cut=2), 0.2),
    "squares of the code": lambda: (form(own=0.8, tilt=0.3), 0.3),
    "weights of each": lambda: (form(), torch.linspace(0.1, 0.6, 189)),
    "lengths": lambda: (uneven(), 0.2),
    "twins": lambda: (twins(), 0.2),
    "huge weights": lambda: (form(), 1e30),
    "a picture of zeros": lambda: (replace(form(), target=torch.zeros(2, 1, 9, 11, dtype=torch.float64)), 0.2),
}


def check(a, weight, nonnegative, compiled, tolerance):
    found = solve(WorkingSet(), problem(a, weight, nonnegative=nonnegative, compiled=compiled), 2000, tolerance)
    gap = duality_gap(written(a, weight, nonnegative), found.z.double().flatten(1)).float()
    assert (found.status == CONVERGED).all() and (found.certificate < tolerance).all()
    torch.testing.assert_close(gap, found.certificate, rtol=0.1, atol=1e-5)
    assert (found.z >= 0).all() or not nonnegative


@only_compiled
@pytest.mark.parametrize("nonnegative", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_its_certificate_is_the_gap_of_the_written_out_energy(case, nonnegative):
    check(*CASES[case](), nonnegative, True, 1e-4)


@pytest.mark.parametrize(("case", "nonnegative"), [("squares of the code", False), ("twins", True), ("huge weights", False)])
def test_so_is_it_in_torch(case, nonnegative):
    check(*CASES[case](), nonnegative, False, 5e-2)


@only_compiled
@pytest.mark.parametrize("nonnegative", [False, True])
def test_double_precision_meets_the_conditions_of_optimality(nonnegative):
    a = form(own=0.2, tilt=0.1)
    found = solve(WorkingSet(), problem(a, 0.2, nonnegative=nonnegative, dtype=torch.float64), 3000, 1e-13)
    z = found.z.flatten(1)
    pull = -dense(a).gradient(z)
    assert z.dtype == torch.float64 and (found.status == CONVERGED).all() and 0.05 < (z != 0).double().mean() < 0.9
    torch.testing.assert_close(pull[z != 0], 0.2 * z[z != 0].sign(), rtol=1e-5, atol=0)
    assert ((pull if nonnegative else pull.abs())[z == 0] <= 0.2 * (1 + 1e-5)).all()


@only_compiled
def test_it_begins_at_the_start():
    a = form()
    best = solve(WorkingSet(), problem(a, 0.2), 2000, 1e-6).z
    near = best + 0.1 * torch.randn(best.shape, generator=torch.Generator().manual_seed(3))
    again = solve(WorkingSet(), problem(a, 0.2, start=best.clone()), 2000, 1e-5)
    assert (again.steps == 0).all() and torch.equal(again.z, best)
    found = solve(WorkingSet(), problem(a, 0.2, start=near), 2000, 1e-5)
    assert (found.status == CONVERGED).all()
    torch.testing.assert_close(found.z, best, rtol=0, atol=3e-2)


@only_compiled
@pytest.mark.parametrize("batch", [1, 7])
def test_a_code_depends_neither_on_threads_nor_on_neighbours(batch):
    a = form(4, 5, 70, 9, batch=7)
    whole = solve(WorkingSet(), problem(a, 0.3), 30, 1e-5)
    a = a.take(torch.arange(7 - batch, 7))
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            again = solve(WorkingSet(), problem(a, 0.3), 30, 1e-5)
            assert torch.equal(again.z, whole.z[7 - batch :]) and torch.equal(again.certificate, whole.certificate[7 - batch :])
    finally:
        torch.set_num_threads(before)


@both
@pytest.mark.parametrize("what", ["linear", "constant", "start", "target", "kernels"])
def test_what_is_no_number_is_told_and_disturbs_no_other_row(what, compiled):
    a = form(tilt=0.1)
    start = torch.zeros(2, *a.shape)
    if what == "start":
        start[1, 0, 0, 0] = torch.nan
    else:
        broken = getattr(a, what).clone()
        broken.reshape(len(broken), -1)[-1, -1] = torch.nan
        a = replace(a, **{what: broken})
    found = solve(WorkingSet(), problem(a, 0.2, compiled=compiled, start=start), 10, 1e-4)
    lost = torch.tensor([what == "kernels", True])
    assert (found.status[lost] == NOT_FINITE).all() and (found.steps[lost] == 0).all() and found.z.isfinite().all()
    assert (found.status[~lost] == OUT_OF_STEPS).all() and (found.certificate[~lost] < 0.8).all()


@both
def test_without_a_tolerance_it_takes_all_steps(compiled):
    found = solve(WorkingSet(), problem(form(), 0.2, compiled=compiled), 10, 0.0)
    assert (found.status == OUT_OF_STEPS).all() and (found.steps == 10).all() and (found.certificate < 0.8).all()


@only_compiled
def test_a_weight_of_zero_is_left_to_torch():
    a = form()
    weight = torch.full((189,), 0.2)
    weight[3] = 0
    assert WorkingSet().search(problem(a, weight, nonnegative=True), 100, 1e-4) is None
