"""The cross entropy of a choice: against torch's, and what no law says."""

from __future__ import annotations

import pytest
import torch

from factorgraph.factors.cross_entropy import CrossEntropy
from factorgraph.structure import ShapeError

LEAF = CrossEntropy(between=["Y", "L"])


def test_it_is_torch_s():
    source = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(7, 5, generator=source, dtype=torch.float64)
    labels = torch.randint(5, (7,), generator=source)
    expected = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
    torch.testing.assert_close(LEAF.energy(torch.eye(5, dtype=torch.float64)[labels], logits), expected)
    soft = torch.rand(7, 5, generator=source, dtype=torch.float64).softmax(1)
    torch.testing.assert_close(LEAF.energy(soft, logits), torch.nn.functional.cross_entropy(logits, soft, reduction="none"))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_large_logits_overflow_nowhere(dtype):
    logits = torch.tensor([[1e4, -1e4, 0.0], [1e4, -1e4, 0.0]], dtype=dtype, requires_grad=True)
    target = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], dtype=dtype)
    energy = LEAF.energy(target, logits)
    (slope,) = torch.autograd.grad(energy.sum(), logits)
    assert energy.tolist() == [0.0, 2e4]
    assert slope.tolist() == [[0.0, 0.0, 0.0], [1.0, -1.0, 0.0]]


def test_equal_logits_cost_the_logarithm_of_their_number():
    found = LEAF.energy(torch.eye(4), torch.full((4, 4), 0.37))
    torch.testing.assert_close(found, torch.full((4,), 4.0).log())


def test_one_unit_is_no_choice_and_sends_to_what_is_for_it():
    for shapes in (((1,), (1,)), ((), (3,)), ((3,), ())):
        with pytest.raises(ShapeError, match="bernoulli"):
            LEAF.check(*shapes)
