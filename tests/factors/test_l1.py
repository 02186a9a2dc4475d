"""The l1 norm: what no law says."""

from __future__ import annotations

import torch

from factorgraph.factors.l1 import L1


def test_values_by_hand():
    z = torch.tensor([[1.0, -2.5, 0.0], [0.2, -0.2, 7.0]])
    torch.testing.assert_close(L1(of="Z").energy(z), torch.tensor([3.5, 7.4]))
    torch.testing.assert_close(L1(of="Z").prox(z, torch.tensor(0.5)), torch.tensor([[0.5, -2.0, 0.0], [0.0, 0.0, 6.5]]))
