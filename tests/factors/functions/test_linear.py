"""The learned matrix: what no law says."""

from __future__ import annotations

import pytest
import torch
from sklearn.decomposition import PCA

import factorgraph as fg
from factorgraph.factors.functions._spectrum import eigenvalue_bound, norm_bound
from factorgraph.factors.functions.linear import Linear
from factorgraph.spec.load import loads
from factorgraph.structure import ShapeError


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


@pytest.mark.parametrize("scale", [1e-25, 1e-18, 1e-8, 1.0, 1e8, 1e18, 1e25])
def test_unit_norms_and_bounds_hold_for_columns_of_any_size(scale):
    """Their squares overflow or vanish in single precision, beside columns whose squares do not; told in double precision."""
    matrix = torch.randn(6, 4, generator=torch.Generator().manual_seed(1)) * torch.tensor([scale, 1.0, 0.3, scale])
    norms = torch.linalg.vector_norm(matrix.double(), dim=0)
    torch.testing.assert_close(projected(matrix, unit_norm="columns").double(), matrix.double() / norms, rtol=1e-6, atol=0)
    for limit in (0.37, scale):
        kept = matrix.double() * (limit / norms).clamp_max(1)
        torch.testing.assert_close(projected(matrix, max_column_norm=limit).double(), kept, rtol=1e-6, atol=0)


@pytest.mark.parametrize("options", [{"unit_norm": "columns"}, {"max_column_norm": 0.37}])
def test_what_is_not_finite_stays_in_its_column(options):
    matrix = torch.randn(6, 4, generator=torch.Generator().manual_seed(1))
    matrix[2, 0], matrix[3, 2] = float("nan"), float("inf")
    moved, alone = projected(matrix, **options), projected(matrix[:, 1::2].clone(), **options)
    assert not moved[2, 0].isfinite() and not moved[3, 2].isfinite()
    torch.testing.assert_close(moved[:, 1::2], alone)


def test_columns_within_their_bound_stay_as_they_are_to_the_bit():
    matrix = torch.randn(6, 4, generator=torch.Generator().manual_seed(1))
    matrix[:, 1] = 0
    assert torch.equal(projected(matrix, max_column_norm=9.0), matrix)


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


# --- orthonormal, symmetric, hollow


def projected(matrix: torch.Tensor, **options: object) -> torch.Tensor:
    Linear(**options).project({"matrix": (moved := matrix.clone())})
    return moved


@pytest.mark.parametrize("shape", [(1, 7), (4, 4), (5, 12)])
def test_the_rows_become_the_nearest_orthonormal_ones(shape):
    matrix = torch.randn(*shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    moved = projected(matrix, orthonormal="rows")
    rows = shape[0]
    torch.testing.assert_close(moved @ moved.T, torch.eye(rows, dtype=torch.float64))
    gram, vectors = torch.linalg.eigh(matrix @ matrix.T)  # the closed form: (A A')^(-1/2) A
    torch.testing.assert_close(moved, vectors @ torch.diag(gram**-0.5) @ vectors.T @ matrix)
    torch.testing.assert_close(projected(-matrix, orthonormal="rows"), -moved)
    source = torch.Generator().manual_seed(0)
    for _ in range(20):
        other = torch.linalg.qr(torch.randn(shape[1], rows, generator=source, dtype=torch.float64))[0].T
        assert (matrix - moved).norm() <= (matrix - other).norm() + 1e-12


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rows_that_depend_on_each_other_part(dtype):
    source = torch.Generator().manual_seed(2)
    few = torch.randn(5, 2, generator=source, dtype=dtype) @ torch.randn(2, 12, generator=source, dtype=dtype)
    few[3] = 0
    for matrix in (few, torch.zeros(5, 12, dtype=dtype), torch.ones(5, 12, dtype=dtype), 1e-30 * few, 1e30 * few):
        moved = projected(matrix, orthonormal="rows")
        torch.testing.assert_close(moved @ moved.T, torch.eye(5, dtype=dtype), rtol=1e-5, atol=1e-5)
        assert torch.equal(moved, projected(matrix, orthonormal="rows"))


def test_more_orthonormal_rows_than_columns_are_refused_with_their_sizes():
    assert Linear(orthonormal="rows").parameters((14,), (14,))["matrix"].shape == (14, 14)
    with pytest.raises(ShapeError, match="15 of them, more than the 14 numbers"):
        Linear(orthonormal="rows").parameters((2, 7), (3, 5))


def test_lateral_connections_are_the_same_both_ways_and_none_to_oneself():
    matrix = torch.tensor([[1.0, 2.0], [4.0, 3.0]])
    assert torch.equal(projected(matrix, symmetric=True), torch.tensor([[1.0, 3.0], [3.0, 3.0]]))
    assert torch.equal(projected(matrix, hollow=True), torch.tensor([[0.0, 2.0], [4.0, 0.0]]))
    assert torch.equal(projected(matrix, symmetric=True, hollow=True), torch.tensor([[0.0, 3.0], [3.0, 0.0]]))


@pytest.mark.parametrize("options", [{"symmetric": True}, {"hollow": True}])
def test_lateral_connections_need_a_square_matrix(options):
    assert Linear(**options).parameters((2, 6), (3, 4))["matrix"].shape == (12, 12)
    told = f"has a {next(iter(options))} matrix, which must be square, and makes 5 numbers from 12"
    with pytest.raises(ShapeError, match=told):
        Linear(**options).parameters((2, 6), (5,))


@pytest.mark.parametrize(
    "options",
    [
        {"orthonormal": "rows", "unit_norm": "rows"},
        {"orthonormal": "rows", "max_column_norm": 1.0},
        {"orthonormal": "rows", "symmetric": True},
        {"unit_norm": "columns", "hollow": True},
    ],
)
def test_constraints_of_two_kinds_are_refused(options):
    with pytest.raises(ValueError, match="exclude each other"):
        Linear(**options)


def test_a_tied_decoder_with_orthonormal_rows_finds_the_principal_components():
    spec = """
factorgraph: 1
variables: {Y: {kind: observed, shape: [6]}}
functions: {W: {type: linear, units: 2, bias: false, orthonormal: rows}}
factors: {reconstruction: {type: squared_distance, between: [Y, W.transpose(W(Y))]}}
"""
    model = fg.build(loads(spec)).double()
    source = torch.Generator().manual_seed(1)
    y = torch.randn(200, 6, generator=source, dtype=torch.float64) * torch.tensor([3, 2, 1, 0.5, 0.3, 0.2], dtype=torch.float64)
    y = y @ torch.linalg.qr(torch.randn(6, 6, generator=source, dtype=torch.float64))[0]
    y -= y.mean(0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
    for _ in range(100):
        optimizer.zero_grad()
        model.energy(Y=y).mean().backward()
        optimizer.step()
        model.project()
    (matrix,) = (each.detach() for each in model.parameters())
    exact = torch.from_numpy(PCA(2).fit(y.numpy()).components_)
    torch.testing.assert_close(matrix.T @ matrix, exact.T @ exact, rtol=0, atol=1e-6)
