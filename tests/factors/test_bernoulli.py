"""The cross entropy of units that are on or off: against torch's, and far out."""

from __future__ import annotations

import math

import pytest
import torch

from factorgraph.factors.bernoulli import Bernoulli

LEAF = Bernoulli(between=["Y", "L"])


def test_it_is_torch_s_summed():
    source = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(7, 2, 5, generator=source, dtype=torch.float64)
    target = torch.rand(7, 2, 5, generator=source, dtype=torch.float64)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="none").sum((1, 2))
    torch.testing.assert_close(LEAF.energy(target, logits), expected)


@pytest.mark.parametrize("logit", [5.0, 15.0, 40.0, 1e4])
@pytest.mark.parametrize("target", [0.0, 1.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_far_out_it_neither_overflows_nor_loses_small_costs(logit, target, dtype):
    sign = 1 if target else -1
    y, logits = torch.full((2, 1), target, dtype=dtype), torch.tensor([[sign * logit], [-sign * logit]], dtype=dtype)
    right, wrong = LEAF.energy(y, logits).tolist()
    small = math.log1p(math.exp(-logit))
    assert right == pytest.approx(small, rel=1e-5)
    assert wrong == pytest.approx(logit + small, rel=1e-6)


def test_an_even_chance_costs_the_logarithm_of_two_and_has_its_true_slope():
    logit = torch.zeros(1, 1, dtype=torch.float64, requires_grad=True)
    energy = LEAF.energy(torch.tensor([[1.0]], dtype=torch.float64), logit)
    (slope,) = torch.autograd.grad(energy.sum(), logit, create_graph=True)
    (bend,) = torch.autograd.grad(slope.sum(), logit)
    assert [each.item() for each in (energy, slope, bend)] == pytest.approx([math.log(2), -0.5, 0.25])
