"""The kernel that sums sparse codes, against matrix products in double precision."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from factorgraph.kernels import build, sums

pytestmark = pytest.mark.skipif(bool(build.missing(sums.NAME)), reason=build.missing(sums.NAME))

Rows = tuple[torch.Tensor, torch.Tensor, torch.Tensor]  # codes, weights, targets


def rows(count: int, units: int, outputs: int, active: float = 0.1, dtype: torch.dtype = torch.float64) -> Rows:
    random = np.random.default_rng(units)
    codes = random.normal(size=(count, units)) * (random.random((count, units)) < active)
    return tuple(
        torch.tensor(each, dtype=dtype) for each in (codes, random.random(count) * 3, random.normal(size=(count, outputs)))
    )  # type: ignore[return-value]


@pytest.mark.parametrize(("dtype", "close"), [(torch.float64, 1e-13), (torch.float32, 1e-5)])
@pytest.mark.parametrize("shape", [(1, 40, 3), (300, 40, 17), (50, 129, 64)])
def test_sums_are_those_of_matrix_products(shape: tuple[int, int, int], dtype: torch.dtype, close: float) -> None:
    x, weight, y = rows(*shape, dtype=dtype)
    found = sums.moments(x, weight, y)
    assert found is not None and all(each.dtype == dtype for each in found)
    codes, targets = x.double().numpy(), y.double().numpy()
    weighed = codes * weight.double().numpy()[:, None]
    for each, known in zip(found, (weighed.T @ codes, targets.T @ weighed), strict=True):
        np.testing.assert_allclose(each, known, atol=close * abs(known).max())


def test_rows_may_lie_apart() -> None:
    x, weight, y = rows(60, 40, 8)
    apart = x.T.contiguous().T, weight.repeat_interleave(2)[::2], y.T.contiguous().T
    for found, known in zip(sums.moments(*apart) or (), sums.moments(x, weight, y) or (), strict=True):
        assert torch.equal(found, known) and known.any()


def test_where_much_is_active_it_does_not_serve() -> None:
    assert sums.moments(*rows(400, 64, 8, active=0.09)) is not None
    assert sums.moments(*rows(400, 64, 8, active=0.2)) is None


def test_what_is_no_number_is_seen() -> None:
    x, weight, y = rows(200, 64, 5, active=0.05)
    x[3, 7] = torch.nan
    gram, products = sums.moments(x, weight, y) or pytest.fail("it serves")
    assert gram[7].isnan().any() and products[:, 7].isnan().all() and not products[:, 8].isnan().any()
