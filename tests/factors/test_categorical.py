"""The odds of a choice: what no law says."""

from __future__ import annotations

import torch

from factorgraph.factors.categorical import Categorical

LEAF = Categorical(of="Z")
CHOSEN = torch.eye(3, dtype=torch.float64)[torch.tensor([0, 0, 0, 1, 1, 2, 0, 0])]


def test_a_choice_costs_minus_the_logarithm_of_its_share():
    shares = torch.tensor([0.5, 0.37, 0.13], dtype=torch.float64)
    found = LEAF.energy(torch.eye(3, dtype=torch.float64), {"logits": shares.log() + 5.0})
    torch.testing.assert_close(found, -shares.log())


def test_shares_start_equal():
    (declared,) = LEAF.parameters((3,)).values()
    start = torch.full(declared.shape, declared.scale, dtype=torch.float64)
    torch.testing.assert_close(LEAF.energy(CHOSEN, {"logits": start}), torch.full((8,), 3.0, dtype=torch.float64).log())


def test_the_logits_that_fit_best_are_those_of_the_counts():
    logits = CHOSEN.mean(0).log().requires_grad_()
    (slope,) = torch.autograd.grad(LEAF.energy(CHOSEN, {"logits": logits}).mean(), logits)
    assert slope.abs().max() < 1e-12


def test_a_choice_may_have_any_shape():
    logits = torch.arange(6.0, dtype=torch.float64)
    flat = LEAF.energy(torch.eye(6, dtype=torch.float64), {"logits": logits})
    torch.testing.assert_close(LEAF.energy(torch.eye(6, dtype=torch.float64).view(6, 2, 3), {"logits": logits.view(2, 3)}), flat)
