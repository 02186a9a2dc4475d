"""A hierarchy of three layers from one file: it trains, and its run needs nothing but its own folder."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from factorgraph.errors import SpecError
from factorgraph.report.contents import Contents
from factorgraph.run.dependencies import fingerprint
from factorgraph.run.run import Run
from factorgraph.spec.load import load
from factorgraph.training.session import StoppedError, resume, train

LAYER = """
factorgraph: 1
dims: {units: 5}
variables:
  Y: {kind: observed}
  Z: {kind: latent}
  predicted: encoder(Y)
functions:
  encoder: {type: linear, units: units, activation: shrink}
  decoder: {type: linear, bias: false, unit_norm: columns}
factors:
  reconstruction: {type: squared_distance, between: [Y, decoder(Z)]}
  prediction:     {type: squared_distance, between: [Z, predicted]}
  sparsity:       {type: l1, of: Z, weight: 0.1}
inference:
  optimal: {method: argmin, of: Z, start: predicted, steps: 10}
  fast:    {method: amortized, of: Z, by: predicted}
"""
THREE = """
factorgraph: 1
use:
  first:  {file: parts/layer.yaml, bind: {Y: X}, with: {units: 8}}
  second: {file: parts/layer.yaml, bind: {Y: first.predicted}, with: {units: 6}}
  third:  {file: parts/layer.yaml, bind: {Y: second.predicted}, with: {units: 4}}
variables:
  X: {kind: observed, shape: [9]}
learning:
  first:  {loss: energy, only: [first], train: [first], steps: 20, batch_size: 16}
  second: {loss: energy, only: [second], train: [second], steps: 20, batch_size: 16}
  third:  {loss: energy, only: [third], train: [third], steps: 20, batch_size: 16}
data: {source: arrays, file: rows.npz, test: 8, bind: {X: X}}
expect:
  first:
    {claim: it learns, metric: energy(first.optimal) / start.energy(first.optimal), at_most: 0.9, only: [first]}
  second:
    {claim: it learns, metric: second.energy(second.optimal) / first.energy(second.optimal), at_most: 0.95, only: [second]}
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("home")
    (made / "parts").mkdir()
    (made / "parts/layer.yaml").write_text(LAYER)
    (made / "three.yaml").write_text(THREE)
    draws = np.random.default_rng(0)
    np.savez(made / "rows.npz", X=(draws.laplace(size=(72, 5)) @ draws.normal(size=(5, 9))).astype(np.float32))
    return made


def test_three_layers_from_one_file_train_one_after_the_other_and_go_on_without_the_files(home: Path, tmp_path: Path) -> None:
    whole = train(home / "three.yaml", home / "whole")
    assert {each.name: each.verdict for each in whole.evaluate().verdicts} == {"first": "holds", "second": "holds"}
    pairs = [(each.fast, each.search) for each in whole.evaluate().report.compared]
    assert pairs == [(f"{name}.fast", f"{name}.optimal") for name in ("first", "second", "third")]
    for each in whole.evaluate().report.procedures:
        own = [share for name, share in each.shares.items() if name.startswith(f"{each.procedure.split('.')[0]}.")]
        assert each.counted == pytest.approx(sum(own), rel=1e-5) and each.counted < 0.9 * each.energy
    assert "energy of what it counts" in whole.evaluate().report.text()
    assert "second: energy" in (whole.path / "figures/phases.svg").read_text()
    shown = Contents(whole)
    told = dict(re.findall(r'data-about="([^"\n&]+)[^"]*" data-line="(\d+)"', shown.diagram))
    begins = [shown.spec_lines[int(told[name]) - 1].strip()[:6] for name in ("first", "third", "X")]
    assert begins == ["first:", "third:", "X: {ki"]
    with pytest.raises(StoppedError):
        train(home / "three.yaml", home / "halved", stop_after=30)
    shutil.move(home / "halved", tmp_path / "halved")
    shutil.copytree(home, tmp_path / "copy")
    for name in ("three.yaml", "parts/layer.yaml"):
        (home / name).unlink()
    try:
        gone_on = resume(tmp_path / "halved", data=(home,))
        for name, tensor in whole.model.state_dict().items():
            assert tensor.equal(gone_on.model.state_dict()[name]), name
        again = Run(tmp_path / "halved", (home,))
        assert again.evaluate().verdicts == whole.evaluate().verdicts
        assert replace(load(tmp_path / "halved/spec.yaml"), name="three") == whole.spec
    finally:
        for name in ("three.yaml", "parts/layer.yaml"):
            shutil.copy(tmp_path / "copy" / name, home / name)


def test_two_files_of_one_name_cannot_go_into_one_run(home: Path, tmp_path: Path) -> None:
    shutil.copytree(home / "parts", tmp_path / "parts")
    shutil.copy(home / "rows.npz", tmp_path)
    (tmp_path / "spec.yaml").write_text(LAYER)
    (tmp_path / "three.yaml").write_text(THREE.replace("parts/layer.yaml, bind: {Y: X}", "spec.yaml, bind: {Y: X}"))
    with pytest.raises(SpecError, match=r'the fragment "spec\.yaml" has the name of what every run holds'):
        train(tmp_path / "three.yaml", tmp_path / "run")


def test_a_fragments_text_is_part_of_the_fingerprint(home: Path, tmp_path: Path) -> None:
    shutil.copytree(home, tmp_path / "other")
    (tmp_path / "other/parts/layer.yaml").write_text(LAYER.replace("0.1", "0.2"))
    before, after = fingerprint([load(home / "three.yaml")]), fingerprint([load(tmp_path / "other/three.yaml")])
    assert before != after
