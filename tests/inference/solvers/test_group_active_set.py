"""Codes that are sparse by groups: compiled and in torch they meet the same minimum, and their certificates can be believed."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import pairwise

import pytest
import torch

from factorgraph.inference.certificate import duality_gap
from factorgraph.inference.loop import solve
from factorgraph.inference.problem import CONVERGED, NOT_FINITE, OUT_OF_STEPS, Groups, Problem, Quadratic, Rest
from factorgraph.inference.solvers.active_set import ActiveSet
from factorgraph.inference.solvers.fista import Fista
from factorgraph.inference.solvers.group_active_set import GroupActiveSet
from factorgraph.kernels import group_active_set as kernel
from factorgraph.kernels.build import missing

INPUTS = 20
COMPILED = pytest.param(True, marks=pytest.mark.skipif(bool(missing("group_active_set")), reason=missing("group_active_set")))
both = pytest.mark.parametrize("compiled", [COMPILED, False])
only_compiled = pytest.mark.skipif(bool(missing("group_active_set")), reason=missing("group_active_set"))


def table(sizes, order=None):
    """(groups, members) of groups that follow each other, or lie where an order of units has them."""
    units = sum(sizes)
    order = torch.arange(units) if order is None else order
    rows = torch.full((len(sizes), max(sizes)), units)
    for row, (first, last) in zip(rows, pairwise(torch.tensor([0, *sizes]).cumsum(0).tolist()), strict=True):
        row[: last - first] = order[first:last]
    return rows


def group_lasso(d, y, weight, places, *, units=0.0, nonnegative=False, compiled=True, start=None):
    """|y - D z|^2 / 2 + units.|z| + sum_g weight_g |z_g|, over z >= 0 if that is asked."""
    count = d.shape[1]
    groups = Groups(
        places,
        torch.as_tensor(weight, dtype=d.dtype).expand(len(places)),
        torch.as_tensor(units, dtype=d.dtype).expand(count),
    )

    group = groups.at_units(torch.arange(len(places)))

    def lengths(z):
        return groups.of(z).square().sum(2).sqrt()

    def prox(v, t):
        u = v.sign() * (v.abs() - t * groups.units).clamp_min(0)
        u = torch.where(v > 0, u, 0) if nonnegative else u
        kept = (1 - t * groups.weight / lengths(u).clamp_min(1e-300 if u.dtype == torch.float64 else 1e-38)).clamp_min(0)
        return u * kept[:, group]

    form = Quadratic(d.T @ d, -y @ d, y.square().sum(1) / 2)
    return Problem(
        start=y.new_zeros(len(y), count) if start is None else start,
        smooth=form.value,
        gradient=form.gradient,
        bound=torch.linalg.eigvalsh((d.T @ d).double()).amax().to(d.dtype) * 1.001,
        rest=Rest(lambda z: z.abs() @ groups.units + lengths(z) @ groups.weight, prox, None, nonnegative, groups),
        quadratic=form,
        squares=True,
        compiled=compiled,
    )


@cache
def least(case, nonnegative):
    """The least energy, by plain proximal gradient in double precision: no momentum, no certificate."""
    problem = precise(case, nonnegative)
    z, length = problem.start.clone(), 1 / problem.bound
    for _ in range(20_000):
        before, z = z, problem.rest.prox(z - length * problem.gradient(z), length)
        if (z - before).abs().amax() <= 1e-9 * z.abs().amax():
            break
    return problem.energy(z)


def precise(case, nonnegative):
    d, y, weight, places, units = CASES[case]()
    weight, units = torch.as_tensor(weight).double(), torch.as_tensor(units).double()
    return group_lasso(d.double(), y.double(), weight, places, units=units, nonnegative=nonnegative)


def random(units, batch=6, seed=0, dtype=torch.float32):
    source = torch.Generator().manual_seed(seed)
    d = torch.randn(INPUTS, units, generator=source, dtype=torch.float64) / INPUTS**0.5
    y = torch.randn(batch, INPUTS, generator=source, dtype=torch.float64)
    return d.to(dtype), y.to(dtype)


def twins(units):
    """Each atom twice, in another group and in its own, and one of zeros."""
    d, y = random(units)
    d[:, units // 2 :] = d[:, : units // 2]
    d[:, 4:6] = d[:, 6:8]
    d[:, 1] = 0
    return d, y


def nothing(units):
    """A group of zeros."""
    d, y = random(units)
    d[:, 4:8] = 0
    return d, y


def uneven(units):
    d, y = random(units)
    return d * torch.logspace(-2, 1, units), y


FOURS = table([4] * 8)
MIXED = table([1, 7, 2, 5, 3, 4, 4, 6, 1])  # 33 units
APART = table([4] * 8, torch.randperm(32, generator=torch.Generator().manual_seed(2)))
CASES = {  # atoms and signals, weights of groups, groups, weights of units
    "random": lambda: (*random(32), 0.5, FOURS, 0.0),
    "one group": lambda: (*random(5), 0.5, table([5]), 0.0),
    "single units": lambda: (*random(17), 0.3, table([1] * 17), 0.0),
    "many": lambda: (*random(300), 0.6, table([4] * 75), 0.0),
    "large groups": lambda: (*random(96), 1.0, table([24] * 4), 0.0),
    "eights": lambda: (*random(128), 0.6, table([8] * 16), 0.0),
    "of all sizes": lambda: (*random(33), 0.5, MIXED, 0.0),
    "that lie apart": lambda: (*random(32), 0.5, APART, 0.0),
    "weights of each": lambda: (*random(32), torch.linspace(0.1, 1.0, 8), FOURS, 0.0),
    "magnitudes beside": lambda: (*random(32), 0.3, FOURS, 0.15),
    "magnitudes of some": lambda: (*random(33), 0.3, MIXED, torch.arange(33) % 3 * 0.1),
    "groups of no weight": lambda: (*random(32), torch.tensor([0.0, 0.5] * 4), FOURS, 0.2),
    "lengths": lambda: (*uneven(32), 0.3, FOURS, 0.0),
    "twins": lambda: (*twins(32), 0.4, FOURS, 0.0),
    "twins, magnitudes beside": lambda: (*twins(32), 0.2, FOURS, 0.1),
    "zeros": lambda: (*nothing(32), 0.4, FOURS, 0.0),
    "huge weights": lambda: (*random(32), 1e30, FOURS, 0.0),
    "tiny weights": lambda: (*random(12), 1e-3, table([4] * 3), 0.0),
    "a signal of zeros": lambda: (random(32)[0], torch.zeros(3, INPUTS), 0.5, FOURS, 0.0),
    "large numbers": lambda: (random(32)[0], 1e6 * random(32)[1], 5e5, FOURS, 0.0),
}


@both
@pytest.mark.parametrize("nonnegative", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_it_ends_where_plain_descent_does_and_can_say_so(case, nonnegative, compiled):
    d, y, weight, places, units = CASES[case]()
    problem = group_lasso(d, y, weight, places, units=units, nonnegative=nonnegative, compiled=compiled)
    found = solve(GroupActiveSet(), problem, 1000, 1e-5)
    known = precise(case, nonnegative)
    best, energy = least(case, nonnegative), known.energy(found.z.double())
    assert (found.status == CONVERGED).all() and (found.certificate < 1e-5).all()
    assert (energy - best <= 2e-5 * best.clamp_min(1e-30)).all()
    rounding = 1e-3 if case in ("tiny weights", "lengths") else 2e-5  # of a slope, beside the weight that it is compared with
    torch.testing.assert_close(duality_gap(known, found.z.double()).float(), found.certificate, rtol=0.1, atol=rounding)
    assert (found.z >= 0).all() or not nonnegative


@both
@pytest.mark.parametrize("nonnegative", [False, True])
def test_of_orthonormal_atoms_codes_are_known(nonnegative, compiled):
    """Each group of D'y is shortened by its weight, after its units have been."""
    d, y = torch.linalg.qr(random(16, dtype=torch.float64)[0])[0], random(16, dtype=torch.float64)[1]
    problem = group_lasso(d, y, 1.2, table([4] * 4), units=0.1, nonnegative=nonnegative, compiled=compiled)
    found = solve(GroupActiveSet(), problem, 100, 1e-12)
    pull = (y @ d).view(len(y), 4, 4)
    u = (pull - 0.1).clamp_min(0) if nonnegative else pull.sign() * (pull.abs() - 0.1).clamp_min(0)
    length = u.norm(dim=2, keepdim=True)
    known = torch.where(length > 1.2, u * (1 - 1.2 / length), 0)
    torch.testing.assert_close(found.z.view_as(known), known, rtol=0, atol=1e-6)
    assert 0.05 < (length <= 1.2).double().mean() < 0.95


@both
def test_double_precision_meets_the_conditions_of_optimality(compiled):
    d, y = random(60, dtype=torch.float64)
    found = solve(GroupActiveSet(), problem := group_lasso(d, y, 0.6, table([4] * 15), compiled=compiled), 300, 1e-13)
    pull, z = (each.view(len(y), 15, 4) for each in (-problem.gradient(found.z), found.z))
    length = z.norm(dim=2)
    assert z.dtype == torch.float64 and (found.status == CONVERGED).all() and 0.05 < (length > 0).double().mean() < 0.7
    torch.testing.assert_close(pull[length > 0], (0.6 * z / length[..., None])[length > 0], rtol=0, atol=1e-6)
    assert (pull.norm(dim=2)[length == 0] <= 0.6 * (1 + 1e-6)).all()


@only_compiled
@pytest.mark.parametrize("nonnegative", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_what_is_small_and_leaves_keeps_no_other_from_moving(seed, nonnegative):
    """More units than inputs, low weights of lengths and of magnitudes: what leaves on a step's way is often tiny."""
    d, y = random(96, seed=seed, dtype=torch.float64)
    units = 0.05 * torch.rand(96, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    found = solve(GroupActiveSet(), group_lasso(d, y, 0.05, table([8] * 12), units=units, nonnegative=nonnegative), 300, 1e-9)
    assert (found.status == CONVERGED).all() and (found.steps < 40).all()


@only_compiled
def test_groups_of_one_unit_are_magnitudes():
    d, y = random(40, dtype=torch.float64)
    found = solve(GroupActiveSet(), group_lasso(d, y, 0.2, table([1] * 40)), 100, 1e-12)
    plain = group_lasso(d, y, 0.2, table([1] * 40))
    plain = replace(plain, rest=Rest(plain.rest.value, plain.rest.prox, torch.full((40,), 0.2).double()))
    torch.testing.assert_close(found.z, solve(ActiveSet(), plain, 100, 1e-12).z, rtol=0, atol=1e-6)


@only_compiled
@pytest.mark.parametrize("members", [1, 2, 3, 4, 5, 8])
def test_more_units_than_a_newton_step_moves_are_swept(members):
    source = torch.Generator().manual_seed(1)
    units = 320 // members * members
    d = torch.linalg.qr(torch.randn(400, units, generator=source, dtype=torch.float64))[0]
    d = d + 0.02 * torch.randn(400, units, generator=source, dtype=torch.float64)
    y = torch.randn(3, 400, generator=source, dtype=torch.float64)
    problem = group_lasso(d, y, 0.05, table([members] * (units // members)))
    found = solve(GroupActiveSet(), problem, 300, 1e-8)
    assert (found.status == CONVERGED).all() and ((found.z != 0).sum(1) > 256).all()
    assert (duality_gap(problem, found.z) < 1e-8).all()


@only_compiled
@pytest.mark.parametrize(("units", "prices", "nonnegative"), [(800, (0.02, 0.1), False), (600, (0.05, 0.05), True)])
def test_a_support_that_grows_beyond_a_newton_step_is_swept(units, prices, nonnegative):
    """Units come back within active groups while Newton steps are taken: about as many as one may move, and then more."""
    source = torch.Generator().manual_seed(1)
    d = torch.randn(300, units, generator=source, dtype=torch.float64).float() / 300**0.5
    y = torch.randn(20, 300, generator=source, dtype=torch.float64).float()
    problem = group_lasso(d, y, prices[0], table([8] * (units // 8)), units=prices[1], nonnegative=nonnegative)
    found = solve(GroupActiveSet(), problem, 100, 2e-3)
    many = (found.z != 0).sum(1)
    assert (many > 200).all() and (found.status == CONVERGED).all()
    torch.testing.assert_close(problem.energy(found.z), problem.energy(solve(Fista(), problem, 3000, 1e-5).z), rtol=3e-3, atol=0)


def test_the_gap_is_that_of_the_dual_point_that_is_told():
    """From its definition, in full, at codes that are far from the best: the share s by bisection."""
    d, y, weight, places, units = CASES["magnitudes of some"]()
    d, y, units = d.double(), y.double(), units.double()
    for nonnegative in (False, True):
        problem = group_lasso(d, y, weight, places, units=units, nonnegative=nonnegative)
        z = problem.rest.prox(0.3 * y @ d, torch.tensor(0.3).double())
        for code in (torch.zeros_like(z), z):
            r = y - code @ d.T
            pull = (r @ d).clamp_min(0) if nonnegative else (r @ d).abs()

            def borne(s, pull=pull, groups=problem.rest.groups):
                over = groups.of((s[:, None] * pull - units).clamp_min(0)).norm(dim=2)
                return (over <= weight).all(1)

            low, high = torch.zeros(len(y)).double(), torch.ones(len(y)).double()
            low = torch.where(borne(high), high, low)
            for _ in range(60):
                middle = (low + high) / 2
                low, high = torch.where(borne(middle), middle, low), torch.where(borne(middle), high, middle)
            dual = low * (r * y).sum(1) - low.square() * r.square().sum(1) / 2
            energy = problem.energy(code)
            told = duality_gap(problem, code)
            assert (told >= (energy - dual) / energy - 1e-12).all()  # never less than it is
            torch.testing.assert_close(told, (energy - dual) / energy, rtol=1e-3, atol=1e-12)


@both
def test_it_begins_at_the_start(compiled):
    d, y = random(32)
    best = solve(GroupActiveSet(), group_lasso(d, y, 0.5, FOURS, compiled=compiled), 300, 1e-6).z
    dense = best + torch.randn(best.shape, generator=torch.Generator().manual_seed(3))
    for start in (best, dense):
        found = solve(GroupActiveSet(), group_lasso(d, y, 0.5, FOURS, compiled=compiled, start=start.clone()), 300, 1e-5)
        assert (found.status == CONVERGED).all()
        torch.testing.assert_close(found.z, best, rtol=0, atol=2e-2)
    again = solve(GroupActiveSet(), group_lasso(d, y, 0.5, FOURS, compiled=compiled, start=best.clone()), 300, 1e-5)
    assert (again.steps <= (1 if compiled else 10)).all()


@only_compiled
def test_a_code_depends_neither_on_threads_nor_on_neighbours():
    d, y = random(40, batch=203)
    problem = group_lasso(d, y, 0.5, table([4] * 10))
    whole = solve(GroupActiveSet(), problem, 100, 1e-5)
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            again = solve(GroupActiveSet(), problem, 100, 1e-5)
            assert torch.equal(again.z, whole.z) and torch.equal(again.steps, whole.steps)
    finally:
        torch.set_num_threads(before)
    rows = torch.tensor([202, 7, 7, 100])
    few = solve(GroupActiveSet(), group_lasso(d, y[rows], 0.5, table([4] * 10)), 100, 1e-5)
    torch.testing.assert_close(few.z, whole.z[rows], rtol=0, atol=1e-4)  # products of fewer rows round differently


@both
@pytest.mark.parametrize("what", ["linear", "constant", "start", "hessian"])
def test_what_is_no_number_is_told_and_disturbs_no_other_row(what, compiled):
    d, y = random(32)
    problem = group_lasso(d, y, 0.5, FOURS, compiled=compiled)
    clean = solve(GroupActiveSet(), problem, 100, 1e-5)
    form, start = problem.quadratic, problem.start.clone()
    hessian, linear, constant = form.hessian.clone(), form.linear.clone(), form.constant.clone()
    {"linear": linear, "constant": constant[:, None], "start": start, "hessian": hessian}[what][3, 0] = torch.nan
    form = Quadratic(hessian, linear, constant)
    broken = replace(problem, start=start, quadratic=form, smooth=form.value, gradient=form.gradient)
    found = solve(GroupActiveSet(), broken, 100, 1e-5)
    lost = torch.arange(len(y)) == 3 if what != "hessian" else torch.ones(len(y), dtype=torch.bool)
    assert (found.status[lost] == NOT_FINITE).all() and (found.steps[lost] == 0).all()
    assert found.z.isfinite().all()
    assert (found.status[~lost] == CONVERGED).all()
    torch.testing.assert_close(found.z[~lost], clean.z[~lost], rtol=0, atol=1e-4)


@both
def test_without_a_tolerance_it_takes_all_steps(compiled):
    d, y = random(32)
    found = solve(GroupActiveSet(), group_lasso(d, y, 0.5, FOURS, compiled=compiled), 20, 0.0)
    assert (found.status == OUT_OF_STEPS).all() and (found.steps == 20).all()
    few = solve(GroupActiveSet(), group_lasso(d, y, 0.02, FOURS, compiled=compiled), 1, 1e-7)
    assert (few.status == OUT_OF_STEPS).any() and (few.steps == 1).all() and (few.certificate > 1e-7).any()


@only_compiled
def test_memory_that_is_strided_or_shaped_is_read_as_it_stands():
    d, y = random(32)
    plain = group_lasso(d, y, 0.5, APART)
    found = solve(GroupActiveSet(), plain, 100, 1e-5)
    form, groups = plain.quadratic, plain.rest.groups
    strided = Quadratic(form.hessian.T, form.linear.T.contiguous().T, form.constant)
    start = torch.zeros(4, 8, len(y)).permute(2, 0, 1)
    moved = replace(plain.rest, groups=replace(groups, places=APART.T.contiguous().T))
    shaped = replace(plain, start=start, quadratic=strided, rest=moved)
    assert torch.equal(solve(GroupActiveSet(), shaped, 100, 1e-5).z.reshape(len(y), 32), found.z)


@only_compiled
def test_what_the_kernel_does_not_take_is_left_to_torch():
    d, y = random(40)
    told = group_lasso(d, y, 0.5, table([30, *[1] * 10]))  # one large group beside single units: mostly empty places
    assert GroupActiveSet().search(told, 100, 1e-5) is None
    assert (solve(GroupActiveSet(), told, 1000, 1e-5).status == CONVERGED).all()
    free = group_lasso(d, y, torch.tensor([0.0] + [0.5] * 9), table([4] * 10), nonnegative=True)  # there is no gap then
    assert GroupActiveSet().search(free, 100, 1e-4) is None
    assert told.rest.groups.places.numel() > kernel.LOOSEST * 40
