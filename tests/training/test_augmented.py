"""A run whose pictures are augmented goes on bit for bit, whoever prepares its batches, and is measured on plain pictures."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import factorgraph
from factorgraph.data.dataset import Dataset
from factorgraph.errors import FactorgraphError
from factorgraph.spec.load import loads
from factorgraph.training.session import train
from tests.training.specs import RUN


def test_stopped_and_prefetched_runs_learn_the_same(tmp_path, monkeypatch):
    assert "augment" not in RUN
    text = RUN.replace("  bind: {Y: image}", "  augment: [mirror, {shift: 1}]\n  bind: {Y: image}")
    spec, plain = loads(text, str(tmp_path / "spec.yaml")), loads(RUN, str(tmp_path / "spec.yaml"))
    whole = train(spec, out=tmp_path / "whole", workers=2)
    with pytest.raises(FactorgraphError, match="FG675"):
        train(spec, out=tmp_path / "parts", stop_after=7)
    parts = factorgraph.open(tmp_path / "parts").resume()
    other = train(plain, out=tmp_path / "plain")
    for (name, one), (_, two), (_, three) in zip(*(each.model.named_parameters() for each in (whole, parts, other)), strict=True):
        assert torch.equal(one, two) and not torch.equal(one, three), name
    assert (whole.dataset.test["Y"] == other.dataset.test["Y"]).all() and (
        whole.dataset.train["Y"] == other.dataset.train["Y"]
    ).all()
    monkeypatch.setattr(Dataset, "drawn", lambda *_: pytest.fail("measuring leaves nothing to chance"))
    assert np.isfinite(float(whole.measured("", "train").solved(None).energy.mean())) and whole.evaluate().report
