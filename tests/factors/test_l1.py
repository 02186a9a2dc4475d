"""The l1 norm: what no law says."""

from __future__ import annotations

import torch

from factorgraph.factors.l1 import L1


def test_values_by_hand():
    z = torch.tensor([[1.0, -2.5, 0.0], [0.2, -0.2, 7.0]])
    torch.testing.assert_close(L1(of="Z").energy(z), torch.tensor([3.5, 7.4]))
    torch.testing.assert_close(L1(of="Z").prox(z, torch.tensor(0.5)), torch.tensor([[0.5, -2.0, 0.0], [0.0, 0.0, 6.5]]))


def test_behind_gradients_the_proximal_map_is_the_same_and_both_its_gradients_are_right():
    v = torch.linspace(-1.9, 2.1, 60, dtype=torch.float64).reshape(4, 3, 5).requires_grad_()
    t = torch.linspace(0.0, 0.74, 15, dtype=torch.float64).reshape(3, 5).requires_grad_()
    leaf = L1(of="Z")
    found = leaf.prox(v, t)
    with torch.no_grad():
        assert torch.equal(found, leaf.prox(v, t))
    by_v, by_t = torch.autograd.grad((found * torch.arange(60).reshape(4, 3, 5)).sum(), (v, t))
    passes = (v.abs() > t).double() * torch.arange(60).reshape(4, 3, 5)
    assert torch.equal(by_v, passes)
    torch.testing.assert_close(by_t, -(passes * v.sign()).sum(0))
