"""What only the search through all values promises."""

from __future__ import annotations

import pytest
import torch

from factorgraph.inference.loop import solve
from factorgraph.inference.problem import CONVERGED, NOT_FINITE, Problem, Quadratic
from factorgraph.inference.solvers import enumerate as module
from factorgraph.inference.solvers.enumerate import Enumerate


def nearest(d, y, form):
    """Which column of D is nearest to y."""
    return Problem(
        start=torch.zeros(len(y), d.shape[1]),
        smooth=lambda z: (z @ d.T - y).square().sum(1),
        gradient=lambda z: 2 * (z @ d.T - y) @ d,
        quadratic=Quadratic(2 * d.T @ d, -2 * y @ d, y.square().sum(1)) if form == "quadratic" else None,
        choices=torch.eye(d.shape[1]),
        take=(lambda rows: nearest(d, y[rows], form)) if form == "take" else None,
    )


each = pytest.mark.parametrize("form", ["quadratic", "take", "plain"])


@each
@pytest.mark.parametrize("at_once", [1, 50, 2**22])
def test_it_finds_what_comparing_one_by_one_finds(form, at_once, monkeypatch):
    monkeypatch.setattr(module, "AT_ONCE", at_once)
    source = torch.Generator().manual_seed(9)
    d, y = torch.randn(4, 13, generator=source), torch.randn(17, 4, generator=source)
    found = solve(Enumerate(), nearest(d, y, form), 100, 1e-4)
    assert torch.equal(found.z.argmax(1), torch.cdist(y, d.T).argmin(1))
    assert torch.equal(found.z.sum(1), torch.ones(17)) and (found.status == CONVERGED).all() and (found.certificate == 0).all()


@each
@pytest.mark.parametrize("at_once", [1, 2**22])
def test_of_equals_the_first(form, at_once, monkeypatch):
    monkeypatch.setattr(module, "AT_ONCE", at_once)
    d = torch.tensor([[9.0, 1.0, 1.0, -1.0, 1.0], [0.0, 2.0, 2.0, 1.0, 2.0]])
    assert solve(Enumerate(), nearest(d, torch.tensor([[1.0, 2.0], [0.0, 9.0]]), form), 1, 0).z.argmax(1).tolist() == [1, 1]


@each
def test_a_row_that_is_not_a_number_disturbs_no_other(form):
    source = torch.Generator().manual_seed(9)
    d, y = torch.randn(4, 13, generator=source), torch.randn(5, 4, generator=source)
    clean = solve(Enumerate(), nearest(d, y, form), 1, 0).z
    y[2] = torch.nan
    found = solve(Enumerate(), nearest(d, y, form), 1, 0)
    assert found.status.tolist() == [CONVERGED, CONVERGED, NOT_FINITE, CONVERGED, CONVERGED]
    assert torch.equal(found.z[[0, 1, 3, 4]], clean[[0, 1, 3, 4]]) and (found.z[2] == 0).all()
