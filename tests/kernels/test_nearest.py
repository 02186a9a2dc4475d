"""The place of the least number of each row, by the kernel, against numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from factorgraph.kernels import build, nearest

pytestmark = pytest.mark.skipif(bool(build.missing(nearest.NAME)), reason=build.missing(nearest.NAME))


@pytest.mark.parametrize("units", [1, 7, 8, 31, 32, 33, 64, 100, 256])
def test_of_equals_it_takes_the_first(units: int, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = np.random.default_rng(units).integers(-3, 40, (300, units)).astype(np.float32)
    monkeypatch.setattr(torch.Tensor, "argmin", None)  # the kernel finds it
    assert nearest.argmin(torch.tensor(numbers)).tolist() == numbers.argmin(1).tolist()
    assert nearest.argmin(torch.tensor(numbers.T.copy()).T).tolist() == numbers.argmin(1).tolist()


def test_what_is_no_number_is_never_less() -> None:
    rows = torch.full((4, 40), torch.nan)
    rows[1, 37], rows[2, 3], rows[3] = 5.0, torch.inf, -torch.inf
    assert nearest.argmin(rows).tolist() == [0, 37, 3, 0]


@pytest.mark.parametrize("other", ["double", "threads", "none"])
def test_where_it_does_not_serve_torch_does(other: str, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = torch.tensor([[3.0, 1.0, 1.0]])
    monkeypatch.setattr(nearest, "library", lambda _: None if other == "none" else pytest.fail("it was asked"))
    if other == "threads":
        monkeypatch.setattr(nearest.torch, "get_num_threads", lambda: nearest.FEW + 1)
    assert nearest.argmin(numbers.double() if other == "double" else numbers).tolist() == [1]
