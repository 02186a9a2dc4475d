"""Distances to any power: what no law says."""

from __future__ import annotations

import pytest
import torch

from factorgraph.factors.distance import Distance

A = torch.tensor([[1.0, 2.0, -0.5], [0.2, 0.0, 3.0]], dtype=torch.float64)
B = torch.tensor([[4.0, -2.0, -0.5], [0.0, 0.3, 1.0]], dtype=torch.float64)


@pytest.mark.parametrize(
    ("p", "expected"), [(1, [7.0, 2.5]), (2, [25.0, 4.13]), (3, [91.0, 8.035]), (1.5, [3**1.5 + 8, 0.2**1.5 + 0.3**1.5 + 2**1.5])]
)
def test_values_by_hand(p, expected):
    found = Distance(between=["A", "B"], p=p).energy(A, B)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64))


@pytest.mark.parametrize(("p", "best"), [(1, 2.0), (2, 4.0)])
def test_one_number_for_many_is_their_median_or_their_mean(p, best):
    many = torch.tensor([[0.0, 1.0, 2.0, 3.0, 14.0]], dtype=torch.float64)
    tried = torch.linspace(-1, 15, 1601, dtype=torch.float64)[:, None]
    energies = Distance(between=["A", "B"], p=p).energy(tried.expand(-1, 5), many)
    assert abs(float(tried[energies.argmin()]) - best) < 1e-9


def test_what_stands_still_is_where_the_proximal_map_leads():
    leaf, t = Distance(between=["Z", "B"]), torch.tensor(0.5, dtype=torch.float64)
    found = leaf.prox(A, t, B)
    torch.testing.assert_close(found, torch.tensor([[1.5, 1.5, -0.5], [0.0, 0.3, 2.5]], dtype=torch.float64))
    assert found[1, 0] == B[1, 0], "exactly equal, not nearly"


@pytest.mark.parametrize("p", [1.5, 2, 3, 4])
def test_gradients_where_both_are_equal_are_zero_and_a_square_keeps_its_curvature_there(p):
    leaf = Distance(between=["A", "B"], p=p)
    z = torch.zeros(1, 3, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(leaf.energy(z, torch.zeros(1, 3, dtype=torch.float64)).sum(), z, create_graph=True)
    assert (slope == 0).all()
    if p == 2:
        (bend,) = torch.autograd.grad(slope.sum(), z)
        assert (bend == 2).all()


@pytest.mark.parametrize("p", [0.5, 0, -1])
def test_a_power_below_one_is_refused(p):
    with pytest.raises(ValueError, match="outside what is allowed"):
        Distance(between=["A", "B"], p=p)
