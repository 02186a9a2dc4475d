"""What only the search through all values promises."""

from __future__ import annotations

import itertools

import pytest
import torch

from factorgraph.inference.domains import choices
from factorgraph.inference.loop import solve
from factorgraph.inference.problem import CONVERGED, NOT_FINITE, Problem, Quadratic
from factorgraph.inference.solvers import enumerate as module
from factorgraph.inference.solvers.enumerate import Enumerate
from factorgraph.structure import Structure


def nearest(d, y, form):
    """Which column of D is nearest to y."""
    return Problem(
        start=torch.zeros(len(y), d.shape[1]),
        smooth=lambda z: (z @ d.T - y).square().sum(1),
        gradient=lambda z: 2 * (z @ d.T - y) @ d,
        quadratic=Quadratic(2 * d.T @ d, -2 * y @ d, y.square().sum(1)) if form == "quadratic" else None,
        choices=choices([("one_hot", d.shape[1])], y, d.shape[1]),
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


def boltzmann(domain_parts, size, batch=3, at=None):
    """A quadratic energy with signs of both kinds; ``at`` counts how many energies are asked for at a time."""
    source = torch.Generator().manual_seed(1)
    coupling, field = torch.randn(size, size, generator=source), torch.randn(batch, size, generator=source)

    def problem(field, start):
        def smooth(z):
            if at is not None:
                at.append(len(z))
            return (z * (z @ coupling + field)).sum(1)

        every = choices(domain_parts, start, size)
        return Problem(start, smooth, lambda z: z, choices=every, take=lambda rows: problem(field[rows], start[rows]))

    return problem(field, torch.zeros(batch, size))


def test_bits_and_choices_are_tried_in_every_combination():
    problem = boltzmann([("binary", 3), ("one_hot", 4), ("binary", 2)], 9)
    bits, hot = list(itertools.product((0.0, 1.0), repeat=3)), torch.eye(4).tolist()
    every = [[*a, *b, *c] for a in bits for b in hot for c in itertools.product((0.0, 1.0), repeat=2)]
    energies = torch.stack([problem.smooth(torch.tensor(z).expand(3, 9)) for z in every], 1)
    assert len(every) == problem.choices.count == 128
    torch.testing.assert_close(problem.choices.at(torch.arange(128)), torch.tensor(every))
    found = solve(Enumerate(), problem, 1, 0)
    torch.testing.assert_close(found.z, torch.tensor(every)[energies.argmin(1)])


def test_memory_is_bounded_also_where_patterns_are_many():
    at: list[int] = []
    problem = boltzmann([("binary", 16)], 16, batch=2, at=at)
    solve(Enumerate(), problem, 1, 0)
    assert sum(at) == 2 * 2**16 and max(at) * 16 <= module.AT_ONCE


@pytest.mark.parametrize(("choices", "words"), [(2**16, ""), (2**16 + 1, "65537 together"), (2**5000, "about 10^1505 together")])
def test_what_is_too_much_is_told_in_numbers(choices, words):
    said = Enumerate.too_large(Structure(True, True, True, True, True, False, domain="binary", size=17, choices=choices))
    assert words in said if words else said == ""
