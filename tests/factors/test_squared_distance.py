"""The squared distance: what no law says."""

from __future__ import annotations

import pytest
import torch

from factorgraph.factors.squared_distance import SquaredDistance


def test_it_is_neither_halved_nor_averaged():
    leaf = SquaredDistance(between=["A", "B"])
    assert leaf.energy(torch.tensor([[1.0, 2.0], [0.0, 0.0]]), torch.tensor([[4.0, -2.0], [0.0, 3.0]])).tolist() == [25.0, 9.0]


def test_a_number_fits_any_shape():
    leaf = SquaredDistance(between=["A", 2])
    assert leaf.energy(torch.tensor([[1.0, 2.0, 4.0]]), torch.tensor(2.0)).tolist() == [5.0]
    assert leaf.energy(torch.tensor(2.0), torch.tensor([[1.0, 2.0, 4.0]])).tolist() == [5.0]


def test_two_values_are_compared():
    for wrong in (["A"], ["A", "B", "C"]):
        with pytest.raises(ValueError):
            SquaredDistance(between=wrong)
