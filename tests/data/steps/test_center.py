from __future__ import annotations

import numpy as np

from factorgraph.data.steps.center import Center


def test_training_has_mean_zero_and_others_lose_the_same():
    x = np.random.default_rng(0).standard_normal((6, 7, 3)) + 2
    step = Center()
    state = step.fit(x)
    assert np.allclose(step.apply(x, state).mean(axis=0), 0)
    assert np.allclose(step.apply(x[:1] + 5, state), x[:1] + 5 - x.mean(axis=0))
