"""A run whose pictures are augmented goes on bit for bit, whoever prepares its batches, and is measured on plain pictures."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import factorgraph
from factorgraph.data.dataset import Dataset
from factorgraph.data.images import to_bytes
from factorgraph.errors import FactorgraphError
from factorgraph.run.infer import infer
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


def test_a_cropped_model_sees_the_middle_and_its_arrays_can_be_had(tmp_path):
    text = RUN.replace("  bind: {Y: image}", "  augment: [{crop: side}]\n  bind: {Y: image}").replace("size: side", "size: 7")
    with pytest.raises(FactorgraphError, match="FG675"):
        train(loads(text, str(tmp_path / "spec.yaml")), out=tmp_path / "run", stop_after=1)
    run = factorgraph.open(tmp_path / "run")
    patch = run.dataset.fields["test"]["image"][3]
    np.save(tmp_path / "patch.npy", patch[None])
    (tmp_path / "patch.png").write_bytes(to_bytes(patch))
    list(infer(run, tmp_path / "patch.npy", tmp_path / "one.npz", None))
    list(infer(run, tmp_path / "patch.png", tmp_path / "two.npz", None))
    with np.load(tmp_path / "one.npz") as one, np.load(tmp_path / "two.npz") as two:
        assert np.abs(one["variable.Y"][0] - run.dataset.test["Y"][3]).max() < 1e-5
        assert one["variable.Y"].shape == (1, 25)
        assert np.corrcoef(one["variable.Y"][0], two["variable.Y"][0])[0, 1] > 0.95  # a picture has 8 bits
    with pytest.raises(FactorgraphError, match=r"FG522[^\n]*crop"):
        list(infer(run, tmp_path / "patch.png", tmp_path / "out", None))
    assert run.measured().pixels("decoder").shape == (9, 7, 7)
