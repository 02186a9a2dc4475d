"""Differences of edges: pixel by pixel, and what they do not see."""

from __future__ import annotations

import pytest
import torch

from factorgraph.factors.gradient_difference import GradientDifference
from factorgraph.structure import ShapeError


def images(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("power", [1, 2, 1.5])
def test_it_is_the_sum_over_pairs_of_neighbours(power):
    a, b = images(0, 2, 4, 3, 5), images(1, 2, 4, 3, 5)
    found = GradientDifference(between=["A", "B"], power=power).energy(a, b)
    for row in range(2):
        total = 0.0
        for m in range(4):
            for i in range(3):
                for j in range(5):
                    for up, left in ((1, 0), (0, 1)):
                        if i >= up and j >= left:
                            da = abs(float(a[row, m, i, j] - a[row, m, i - up, j - left]))
                            db = abs(float(b[row, m, i, j] - b[row, m, i - up, j - left]))
                            total += abs(da - db) ** power
        assert float(found[row]) == pytest.approx(total)


def test_it_sees_neither_a_constant_nor_a_sign():
    leaf, a = GradientDifference(between=["A", "B"]), images(0, 3, 4, 5)
    for same in (a, a + 0.37, -a):
        torch.testing.assert_close(leaf.energy(a, same), torch.zeros(3, dtype=torch.float64))
    assert (leaf.energy(a, 0.5 * a) > 1).all()


def test_a_blurred_edge_costs_as_much_as_no_edge_at_its_place():
    sharp = torch.tensor([[[0.0, 0.0, 1.0, 1.0]]], dtype=torch.float64)
    blurred = torch.tensor([[[0.0, 0.25, 0.75, 1.0]]], dtype=torch.float64)
    assert GradientDifference(between=["A", "B"]).energy(sharp, blurred).tolist() == [0.25 + 0.5 + 0.25]


def test_maps_add_up():
    leaf, a, b = GradientDifference(between=["A", "B"]), images(0, 3, 2, 4, 5), images(1, 3, 2, 4, 5)
    torch.testing.assert_close(leaf.energy(a, b), leaf.energy(a[:, 0], b[:, 0]) + leaf.energy(a[:, 1], b[:, 1]))


@pytest.mark.parametrize("shapes", [((5,), (5,)), ((), (5,))])
def test_images_have_two_axes(shapes):
    with pytest.raises(ShapeError, match="two image axes"):
        GradientDifference(between=["A", "B"]).check(*shapes)
