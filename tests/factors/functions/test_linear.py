"""The learned matrix: what no law says."""

from __future__ import annotations

import pytest
import torch

from factorgraph.factors.functions._spectrum import eigenvalue_bound, norm_bound
from factorgraph.factors.functions.linear import Linear


def test_a_column_is_what_one_input_writes():
    matrix = torch.tensor([[1.0, 3.0], [0.0, 4.0], [2.0, 0.0]])  # (outputs, inputs)
    leaf = Linear(bias=False)
    assert torch.equal(leaf.forward(torch.tensor([[0.0, 1.0]]), {"matrix": matrix}), torch.tensor([[3.0, 4.0, 0.0]]))
    Linear(unit_norm="columns").project({"matrix": (columns := matrix.clone())})
    torch.testing.assert_close(columns[:, 1], torch.tensor([0.6, 0.8, 0.0]))
    Linear(unit_norm="rows").project({"matrix": (rows := matrix.clone())})
    torch.testing.assert_close(rows[2], torch.tensor([1.0, 0.0]))
    Linear(max_row_norm=2.5).project({"matrix": (bounded := matrix.clone())})
    torch.testing.assert_close(bounded[1], torch.tensor([0.0, 2.5]))
    assert torch.equal(bounded[2], matrix[2])


@pytest.mark.parametrize(
    ("units", "wanted", "result"),
    [(None, (2, 7), (2, 7)), (None, None, None), (None, (), None), (5, (2, 7), (5,)), ([4, 3], None, (4, 3)), (5, None, (5,))],
)
def test_a_size_left_out_is_that_of_what_the_result_meets(units, wanted, result):
    assert Linear(units=units).output_shape((4, 3, 5), wanted) == result


def test_parameters():
    declared = Linear(unit_norm="columns", rate=0.5).parameters((4, 3), (2, 7))
    assert declared["matrix"].shape == (14, 12) and declared["bias"].shape == (14,)
    assert declared["matrix"].rate == declared["bias"].rate == 0.5
    assert (declared["bias"].start, declared["bias"].scale) == ("constant", 0.0)
    assert "bias" not in Linear(bias=False).parameters((4,), (2,))
    assert Linear(init="data").parameters((4,), (2,))["matrix"].start == "data"
    assert Linear(init=0.2).parameters((4,), (2,))["matrix"].scale == 0.2


def test_columns_of_zeros_become_different_unit_vectors():
    matrix = torch.zeros(5, 3)
    Linear(unit_norm="columns").project({"matrix": matrix})
    assert torch.equal(matrix, torch.eye(5)[:, :3])


@pytest.mark.parametrize("options", [{"max_row_norm": 1.0}, {"max_column_norm": 1.0}])
def test_constraints_that_no_projection_can_keep_together_are_refused(options):
    with pytest.raises(ValueError, match="exclude each other"):
        Linear(unit_norm="rows", **options)


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (700, 600), (144, 256)])
def test_norm_bounds_are_tight_enough_for_step_lengths(shape):
    matrix = torch.randn(*shape, generator=torch.Generator().manual_seed(1))
    ratio = norm_bound(matrix) / torch.linalg.matrix_norm(matrix.double(), 2)
    assert 1 <= ratio < 1.3
    flat = torch.linalg.qr(torch.randn(256, 256, generator=torch.Generator().manual_seed(1)))[0]
    assert 1 <= norm_bound(flat) < 1.1  # the worst case: all singular values are equal


@pytest.mark.parametrize("scale", [0.0, 1e-25, 1e25])
def test_norm_bounds_neither_overflow_nor_vanish(scale):
    matrix = scale * torch.randn(30, 40, generator=torch.Generator().manual_seed(1))
    norm = torch.linalg.matrix_norm(matrix.double(), 2)
    assert norm <= norm_bound(matrix) <= 1.2 * norm


def test_eigenvalue_bounds_hold_for_singular_matrices():
    d = torch.randn(5, 40, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert 1 <= eigenvalue_bound(d.T @ d) / torch.linalg.eigvalsh(d.T @ d)[-1] < 1.1
