"""The logarithm of the hyperbolic cosine: at zero, and far out."""

from __future__ import annotations

import math

import pytest
import torch

from factorgraph.factors.log_cosh import LogCosh

LEAF = LogCosh(of="Z")


def test_it_is_the_energy_of_the_hyperbolic_secant_but_for_a_constant():
    stats = pytest.importorskip("scipy.stats")
    z = torch.linspace(-20, 20, 41, dtype=torch.float64)[:, None]
    expected = -torch.from_numpy(stats.hypsecant.logpdf(z[:, 0].numpy())) - math.log(math.pi)
    torch.testing.assert_close(LEAF.energy(z), expected)


def test_far_out_it_is_the_magnitude_less_a_constant():
    z = torch.tensor([[-1e4], [1e4], [1e30]])
    torch.testing.assert_close(LEAF.energy(z), z[:, 0].abs() - math.log(2))


def test_at_zero_it_has_no_slope_and_a_curvature_of_one():
    z = torch.zeros(1, 3, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(LEAF.energy(z).sum(), z, create_graph=True)
    (bend,) = torch.autograd.grad(slope.sum(), z)
    assert (slope == 0).all() and (bend == 1).all()
