"""What a step costs beside the same arithmetic by hand, counted in operators that torch dispatches: 2 % more at the most."""

from __future__ import annotations

import pytest

from benchmarks import training_step
from factorgraph.kernels.build import library
from factorgraph.training.sides import parameters_by_address


@pytest.mark.skipif(library("active_set") is None, reason="no compiler here")
def test_a_step_costs_no_more_than_by_hand_and_ends_where_the_hand_does() -> None:
    for name, learner, step, own in training_step.cases():
        assert training_step.operators(learner.step) <= 1.02 * training_step.operators(step), name
        known = parameters_by_address(learner.model)
        assert all((known[key].detach() - each.detach()).abs().max() < 1e-3 for key, each in own.items()), name
