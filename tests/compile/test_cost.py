"""What a call costs beside the same arithmetic by hand, counted in operators that torch dispatches: a count knows no noise."""

from __future__ import annotations

import pytest
import torch

from benchmarks import infer_cost
from factorgraph.kernels.build import library


@pytest.mark.skipif(library("active_set") is None, reason="no compiler here")
def test_codes_cost_no_more_than_the_solver_called_by_hand() -> None:
    given = infer_cost.signals(3)
    ours, hand = infer_cost.ours(*given), infer_cost.by_hand(*given)
    torch.testing.assert_close(ours()["Z"], hand()[0].z, rtol=0, atol=1e-6)
    torch.testing.assert_close(ours().energy, hand()[3], rtol=1e-5, atol=0)
    assert infer_cost.operators(ours) <= infer_cost.operators(hand)
