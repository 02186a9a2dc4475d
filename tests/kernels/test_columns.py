"""The kernel that moves columns against the torch path, which the optimizer's own tests hold to a loop and to scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from factorgraph.kernels import build, columns
from factorgraph.training.optimizers import _columns

pytestmark = pytest.mark.skipif(bool(build.missing(columns.NAME)), reason=build.missing(columns.NAME))

KINDS = ("usual", "duplicate columns", "never used", "huge", "tiny")


def sums(units: int, outputs: int, kind: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A matrix, and G and P of sparse codes."""
    random = np.random.default_rng(units)
    codes = random.normal(size=(200, units)) * (random.random((200, units)) < 0.3)
    codes[:, -1] = codes[:, 0] if kind == "duplicate columns" else 0 if kind == "never used" else codes[:, -1]
    codes *= {"huge": 1e120, "tiny": 1e-120}.get(kind, 1)
    seen = random.normal(size=(200, outputs))
    matrix = random.normal(size=(outputs, units))
    return torch.tensor(matrix), torch.tensor(codes.T @ codes), torch.tensor(seen.T @ codes)


def moved(norms: tuple[float, float | None], *given: torch.Tensor) -> tuple[Any, torch.Tensor]:
    """By the kernel, and by torch; the last of several columns is a bias."""
    matrix, gram, products = given
    group = {"params": [matrix[:, :-1], matrix[:, -1:]] if len(gram) > 1 else [matrix], "norms": norms}
    bounds = gram.diagonal().clamp_min(_columns.TINY)
    found = _columns._swept(group, matrix, gram, products, bounds)
    return found, _columns._in_turn(matrix.clone(), gram, products, _columns._blocks(group), bounds)


@pytest.mark.parametrize("norms", [(1.0, 1.0), (0.0, 0.7), _columns.FREE])
@pytest.mark.parametrize("kind", KINDS)
def test_it_moves_columns_as_torch_does(kind: str, norms: tuple[float, float | None]) -> None:
    for units, outputs in ((1, 1), (3, 5), (4, 8), (7, 16), (41, 13)):
        found, known = moved(norms, *sums(units, outputs, kind))
        np.testing.assert_allclose(found, known, rtol=1e-9, atol=1e-9 * float(known.abs().max()))


def test_a_column_that_no_code_used_stays_to_the_bit() -> None:
    matrix, gram, products = sums(7, 5, "never used")
    found, _ = moved(_columns.FREE, matrix, gram, products)
    assert torch.equal(found[:, -1], matrix[:, -1])


@pytest.mark.parametrize("where", [0, 1, 2])
def test_what_is_no_number_becomes_none_in_both(where: int) -> None:
    given = sums(7, 5, "usual")
    given[where][2, 2] = torch.nan
    found, known = moved((1.0, 1.0), *given)
    assert torch.equal(found.isnan(), known.isnan()) and found.isnan().any()


def test_what_it_is_given_stays_as_it_was() -> None:
    given = sums(7, 5, "usual")
    before = [each.clone() for each in given]
    moved((1.0, 1.0), *given)
    assert all(torch.equal(*each) for each in zip(given, before, strict=True))
