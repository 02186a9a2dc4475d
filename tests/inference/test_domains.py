"""The values that variables may take, against a general optimiser's projections and plain counting."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from factorgraph.inference.domains import choices, count, project


def points(batch: int = 6, shape: tuple[int, ...] = (2, 3)) -> torch.Tensor:
    return 0.8 * torch.randn(batch, *shape, generator=torch.Generator().manual_seed(4), dtype=torch.float64)


def test_the_simplex_is_met_where_a_general_optimiser_meets_it() -> None:
    x = points()
    x[0] = 0
    x[1] = torch.tensor([[1.0, 0, 0], [0, 0, 0]])  # a corner stays
    total = {"type": "eq", "fun": lambda z: z.sum() - 1}
    for row, found in zip(x.flatten(1).numpy(), project("simplex", x).flatten(1).numpy(), strict=True):
        best = minimize(
            lambda z, row=row: ((z - row) ** 2).sum(), np.full(6, 1 / 6), jac=lambda z, row=row: 2 * (z - row),
            bounds=[(0, None)] * 6, constraints=[total], method="SLSQP", options={"ftol": 1e-15, "maxiter": 500},
        )  # fmt: skip
        np.testing.assert_allclose(found, best.x, atol=1e-6)


def test_the_simplex_meets_the_conditions_of_the_nearest_point() -> None:
    """Units above zero were all lowered by the same number, and what was lowered to zero lay below it."""
    x = points(50, (7,))
    z = project("simplex", x)
    lowered = (x - z).masked_fill(z == 0, -torch.inf).amax(1, keepdim=True)
    torch.testing.assert_close(z, (x - lowered).clamp_min(0))
    torch.testing.assert_close(z.sum(1), torch.ones(50, dtype=torch.float64))
    assert 0 < (z == 0).sum() < z.numel()


def test_large_numbers_and_float32_lose_nothing() -> None:
    x = points(50, (7,)).float()
    torch.testing.assert_close(project("simplex", x + 4096), project("simplex", (x + 4096) - 4096), rtol=0, atol=1e-6)
    assert (project("simplex", x + 4096).sum(1) - 1).abs().max() < 1e-6


@pytest.mark.parametrize("domain", ["real", "nonnegative", "simplex", "binary", "one_hot"])
def test_projecting_twice_changes_nothing_and_what_is_no_number_is_seen(domain: str) -> None:
    x = points()
    z = project(domain, x)
    torch.testing.assert_close(project(domain, z), z)
    assert z.shape == x.shape and z.data_ptr() != x.data_ptr()
    x[2, 1, 1] = torch.nan
    assert project(domain, x)[2].isnan().any() and project(domain, x)[[0, 1, 3, 4, 5]].isfinite().all()
    assert project(domain, torch.zeros(3, dtype=torch.float64)).shape == (3,)
    assert project(domain, torch.zeros(3, 4, device="meta")).shape == (3, 4)


@pytest.mark.parametrize(("domain", "every"), [("binary", list(itertools.product((0, 1), repeat=6))), ("one_hot", np.eye(6))])
def test_the_nearest_of_few_values_is_the_nearest(domain: str, every: object) -> None:
    x, values = points(), torch.as_tensor(np.array(every), dtype=torch.float64)
    assert len(values) == count(domain, 6)
    nearest = values[torch.cdist(x.flatten(1), values).argmin(1)]
    torch.testing.assert_close(project(domain, x).flatten(1), nearest)


def test_values_are_made_only_when_they_are_asked_for() -> None:
    every = choices([("binary", 40)], torch.zeros(()), 40)
    assert every.count == 2**40
    last = every.at(torch.tensor([0, 5, 2**40 - 1]))
    assert last.sum(1).tolist() == [0, 2, 40] and last[1].nonzero().flatten().tolist() == [37, 39]
