"""The inner product: what no law says."""

from __future__ import annotations

import torch

from factorgraph.factors.inner_product import InnerProduct


def test_values_by_hand():
    a, b = torch.tensor([[[1.0, 2.0], [3.0, -0.5]]]), torch.tensor([[[4.0, -2.0], [0.5, 2.0]]])
    assert InnerProduct(between=["A", "B"]).energy(a, b).tolist() == [0.5]


def test_through_a_symmetric_matrix_of_its_own_value_it_is_a_quadratic_form():
    matrix = torch.tensor([[2.0, 0.37], [0.37, -1.0]], dtype=torch.float64)
    y = torch.tensor([[1.0, 2.0], [-0.5, 3.0]], dtype=torch.float64)
    found = InnerProduct(between=["Y", "lateral(Y)"]).energy(y, y @ matrix)
    torch.testing.assert_close(found, torch.einsum("bi,ij,bj->b", y, matrix, y))
