"""Shrinking by groups, alone and after magnitudes, against a plain search, conjugacy, and the conditions of optimality."""

from __future__ import annotations

import pytest
import torch
from scipy.optimize import minimize

from factorgraph.factors._groups import shrink_groups
from factorgraph.factors.functions.pool import Pool
from factorgraph.inference.loop import solve
from factorgraph.inference.problem import CONVERGED, Problem, Quadratic, Rest
from factorgraph.inference.solvers.admm import Admm
from factorgraph.inference.solvers.fista import Fista

POOL = Pool(kind="l2", window=3)


def lengths(z):
    return POOL.forward(z, {})


def shrink(v, t):
    return v.sign() * (v.abs() - t).clamp_min(0)


def prox(v, units, groups, nonnegative=False):
    """Of units |z|_1 + groups sum_g |z_g|, perhaps over z >= 0."""
    first = (v - units).clamp_min(0) if nonnegative else shrink(v, torch.tensor(units, dtype=v.dtype))
    return shrink_groups(first, torch.tensor(groups, dtype=v.dtype), lengths, POOL.spread)


def data(*shape, seed=0, scale=1.0):
    return scale * torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("nonnegative", [False, True])
@pytest.mark.parametrize(("units", "groups"), [(0.0, 0.9), (0.37, 0.61), (0.37, 0.0)])
def test_it_is_the_best_by_a_plain_search(units, groups, nonnegative):
    v = data(4, 3, scale=1.3)
    found = prox(v, units, groups, nonnegative)
    for row, given in zip(found, v, strict=True):

        def energy(z, given=given):
            z = torch.from_numpy(z)
            return (units * z.abs().sum() + groups * z.norm() + (z - given).square().sum() / 2).item()

        bounds = [(0, None)] * 3 if nonnegative else None
        starts = (given.clamp_min(0) if nonnegative else given, torch.full((3,), 0.05).double())
        options = {"xatol": 1e-9, "fatol": 1e-14, "maxiter": 4000}
        tries = [minimize(energy, start.numpy(), method="Nelder-Mead", bounds=bounds, options=options) for start in starts]
        best = min(tries, key=lambda each: each.fun)
        assert energy(row.numpy()) <= best.fun + 1e-12
        torch.testing.assert_close(row, torch.from_numpy(best.x), rtol=0, atol=1e-4)


@pytest.mark.parametrize(("units", "groups"), [(0.0, 0.9), (0.37, 0.61)])
def test_what_is_taken_away_lies_in_the_dual_ball_and_pays_in_full(units, groups):
    """v - z = s + r with |s_i| <= units, |r_g| <= groups, and (v - z).z is the penalty of z: no other z has both."""
    v = data(50, 12, scale=1.3)
    z = prox(v, units, groups)
    taken = v - z
    assert (lengths(shrink(taken, torch.tensor(units).double())) <= groups * (1 + 1e-12)).all()
    torch.testing.assert_close((taken * z).sum(1), units * z.abs().sum(1) + groups * lengths(z).sum(1))
    assert 0.05 < (lengths(z) == 0).double().mean() < 0.9 and ((z == 0).sum() > 3 * (lengths(z) == 0).sum()) == (units > 0)


def test_thresholds_by_row_and_groups_of_nothing():
    v = data(2, 6)
    v[0, :3] = 0
    found = shrink_groups(v, torch.tensor([[0.0], [100.0]], dtype=torch.float64), lengths, POOL.spread)
    assert torch.equal(found[0], v[0]) and (found[1] == 0).all()


def test_on_a_lattice_groups_are_blocks():
    pool, v = Pool(kind="l2", window=(2, 3)), data(3, 4, 6)
    found = shrink_groups(v, torch.tensor(1.1, dtype=torch.float64), lambda z: pool.forward(z, {}), pool.spread)
    for top in (0, 2):
        for left in (0, 3):
            block = v[:, top : top + 2, left : left + 3]
            length = block.flatten(1).norm(dim=1).view(3, 1, 1)
            torch.testing.assert_close(found[:, top : top + 2, left : left + 3], block * (1 - 1.1 / length).clamp_min(0))


@pytest.mark.parametrize("solver", [Admm(), Fista()])
def test_sparse_group_codes_meet_their_conditions(solver):
    """|y - D z|^2 / 2 + 0.2 |z|_1 + 0.4 sum_g |z_g|: what solvers are given, and what characterises the minimum."""
    d, y = data(20, 24, seed=1) / 4, data(6, 20, seed=2)
    rest = Rest(lambda z: 0.2 * z.abs().sum(1) + 0.4 * lengths(z).sum(1), lambda v, t: prox(v, 0.2 * float(t), 0.4 * float(t)))
    form = Quadratic(d.T @ d, -y @ d, y.square().sum(1) / 2)
    bound = torch.linalg.matrix_norm(d, 2) ** 2
    found = solve(solver, Problem(torch.zeros(6, 24).double(), form.value, form.gradient, bound, rest, form), 20_000, 1e-10)
    assert (found.status == CONVERGED).all()
    z, pull = found.z, (y - found.z @ d.T) @ d
    silent = POOL.spread((lengths(z) == 0).double()).bool()
    assert 0.1 < silent.double().mean() < 0.9 and (z[~silent] == 0).any()
    assert (lengths(shrink(pull, torch.tensor(0.2)))[lengths(z) == 0] <= 0.4 * (1 + 1e-6)).all()
    left = pull - 0.4 * z / POOL.spread(lengths(z)).clamp_min(1e-30)
    torch.testing.assert_close(left[z != 0], 0.2 * z[z != 0].sign(), rtol=1e-5, atol=0)
    assert (left[~silent & (z == 0)].abs() <= 0.2 * (1 + 1e-5)).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_of_groups_of_nothing_and_of_next_to_nothing_are_none(dtype):
    v = torch.tensor([[0.0, 0, 0, 1e-25, 0, 0, 0.3, 0.1, 0, 3, 1, 2]], dtype=dtype, requires_grad=True)
    threshold = torch.full((1, 4), 0.9, dtype=dtype, requires_grad=True)
    slopes = torch.autograd.grad(shrink_groups(v, threshold, lengths, POOL.spread).sum(), (v, threshold))
    assert all(each.isfinite().all() for each in slopes)
    assert (slopes[0][0, :9] == 0).all() and (slopes[0][0, 9:] != 0).all()
    assert slopes[1][0].tolist() == pytest.approx([0, 0, 0, -6 / 14**0.5])
