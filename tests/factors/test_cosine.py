"""The cosine: against torch's, and where a value has no direction."""

from __future__ import annotations

import torch

from factorgraph.factors.cosine import Cosine

LEAF = Cosine(between=["A", "B"])


def random(seed: int) -> torch.Tensor:
    return torch.randn(3, 4, 3, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_it_is_torch_s_over_all_units():
    a, b = random(0), random(1)
    expected = torch.nn.functional.cosine_similarity(a.flatten(1), b.flatten(1), dim=1)
    torch.testing.assert_close(LEAF.energy(a, b), expected)


def test_only_directions_count():
    a = random(0)
    for scale in (0.37, 100.0):
        torch.testing.assert_close(LEAF.energy(a, scale * a), torch.ones(3, dtype=torch.float64))
        torch.testing.assert_close(LEAF.energy(a, -scale * a), -torch.ones(3, dtype=torch.float64))


def test_epsilon_stands_beside_the_product_of_the_lengths():
    a, b = torch.tensor([[3.0, 4.0]]), torch.tensor([[0.0, 2.0]])
    torch.testing.assert_close(Cosine(between=["A", "B"], epsilon=6).energy(a, b), torch.tensor([8 / (5 * 2 + 6)]))


def test_what_has_no_direction_has_a_cosine_of_zero_and_a_finite_slope():
    a, b = torch.zeros(2, 3, requires_grad=True), torch.zeros(2, 3)
    b[1] = 1.0
    energy = LEAF.energy(a, b)
    assert energy.tolist() == [0.0, 0.0]
    energy.sum().backward()
    assert a.grad is not None and a.grad.isfinite().all()
