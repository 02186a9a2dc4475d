"""Shrinkage: what no law says."""

from __future__ import annotations

import torch

from factorgraph.factors.functions.shrink import Shrink


def test_values_by_hand():
    x = torch.tensor([[1.0, -0.3, -2.0]])
    y = Shrink().forward(x, {"threshold": torch.tensor([0.4, 0.4, 1.5])})
    torch.testing.assert_close(y, torch.tensor([[0.6, 0.0, -0.5]]))


def test_a_threshold_below_zero_acts_as_zero_and_is_put_back():
    threshold = torch.tensor([-1.0, 0.2])
    torch.testing.assert_close(Shrink().forward(torch.ones(1, 2), {"threshold": threshold}), torch.tensor([[1.0, 0.8]]))
    Shrink().project({"threshold": threshold})
    assert torch.equal(threshold, torch.tensor([0.0, 0.2]))


def test_a_threshold_at_zero_can_grow_again():
    threshold = torch.zeros(2, requires_grad=True)
    Shrink().forward(torch.tensor([[1.0, -2.0]]), {"threshold": threshold}).abs().sum().backward()
    assert torch.equal(threshold.grad, torch.tensor([-1.0, -1.0]))


def test_one_threshold_for_each_unit_that_starts_small():
    declared = Shrink().parameters((2, 3), (2, 3))["threshold"]
    assert (declared.shape, declared.start, declared.scale) == ((2, 3), "constant", 0.0)  # nothing starts silent
