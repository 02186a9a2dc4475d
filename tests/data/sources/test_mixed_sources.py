"""Mixtures of independent sources, and how far filters are from undoing them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from factorgraph.data.model import Request
from factorgraph.data.sources.mixed_sources import MixedSources
from factorgraph.registry import leaves


@pytest.mark.parametrize(("law", "kurtosis"), [("laplace", 6.0), ("uniform", 1.8)])
def test_unmixed_signals_are_independent_sources_of_variance_one(law: str, kurtosis: float) -> None:
    source = MixedSources(sources=3, law=law)
    splits = source.load(Request(seed=4, count=40_000, test=500))
    truth = source.truth(4)
    assert np.linalg.cond(truth) <= 4 and splits.test.rows == 500
    sources = splits.train.fields["signal"].astype(float) @ np.linalg.inv(truth).T
    assert np.cov(sources.T) == pytest.approx(np.eye(3), abs=0.04)
    assert (sources**4).mean(0) == pytest.approx(kurtosis, rel=0.12)
    assert np.cov((sources**2).T)[0, 1] == pytest.approx(0, abs=0.15)  # and not only uncorrelated


def amari(rows: torch.Tensor, truth: torch.Tensor) -> float:
    on = SimpleNamespace(units_in_source_space=lambda _: rows, truth=lambda: truth.T)
    return leaves("metrics")["amari"]().measure(on, "W")  # type: ignore[attr-defined,no-any-return]


def test_amari_is_zero_for_what_unmixes_and_one_where_all_answer_alike() -> None:
    truth = torch.as_tensor(MixedSources(sources=4).truth(1))
    inverse = torch.linalg.inv(truth)
    shuffled = torch.diag(torch.tensor([2.0, -0.5, 1.0, 3.0], dtype=torch.float64)) @ inverse[[2, 0, 3, 1]]
    assert amari(shuffled, truth) == pytest.approx(0, abs=1e-12)
    assert amari(torch.ones(4, 4, dtype=torch.float64) @ inverse, truth) == pytest.approx(1)
    half = torch.tensor([[1.0, 0.5], [0.0, 1.0]], dtype=torch.float64)  # one row and one column have a rest
    assert amari(half, torch.eye(2, dtype=torch.float64)) == pytest.approx((0.5 + 0.5) / 4)
