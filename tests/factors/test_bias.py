"""A learned bias: what no law says."""

from __future__ import annotations

import torch

from factorgraph.factors.bias import Bias

LEAF = Bias(of="Z")


def test_values_by_hand_and_a_start_without_preference():
    z = torch.tensor([[1.0, 0.0, 1.0], [0.0, 2.0, -1.0]])
    assert LEAF.energy(z, {"bias": torch.tensor([0.5, -3.0, 2.0])}).tolist() == [2.5, -8.0]
    (declared,) = LEAF.parameters((3,)).values()
    assert (declared.shape, declared.start, declared.scale) == ((3,), "constant", 0.0)


def test_binary_units_are_on_as_often_as_the_sigmoid_of_minus_their_bias():
    bias = torch.tensor([0.37, -1.2], dtype=torch.float64)
    states = torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=torch.float64)] * 2)
    chances = (-LEAF.energy(states, {"bias": bias})).softmax(0)
    torch.testing.assert_close(chances @ states, torch.sigmoid(-bias))
