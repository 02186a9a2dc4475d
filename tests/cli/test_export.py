"""``factorgraph export``: a file that is what it says, or what can be exported instead."""

from __future__ import annotations

import sys

import numpy as np
import onnxruntime
import pytest

import factorgraph
from factorgraph.spec.load import loads

SPEC = """\
factorgraph: 1
variables:
  Y: {kind: observed, shape: [2]}
  Z: {kind: latent, shape: [3]}
functions:
  decoder: linear
  encoder: {type: linear, activation: tanh}
factors:
  reconstruction: {type: squared_distance, between: [Y, decoder(Z)]}
  prediction: {type: squared_distance, between: [Z, encoder(Y)]}
inference:
  optimal: {method: argmin, of: Z}
  fast: {method: amortized, of: Z, by: encoder(Y)}
learning:
  fit: {loss: energy, steps: 3, batch_size: 8}
data: {source: curve, count: 40, prepare: [center], bind: {Y: point}}
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return factorgraph.train(loads(SPEC, "points.yaml"), tmp_path_factory.mktemp("runs") / "points", device="cpu")


def test_the_file_and_what_is_said_of_it(cli, run, tmp_path):
    said = cli("export", str(run.path), "--to", "onnx", "--procedure", "fast")
    assert said.code == 0, said.err
    assert said.out.splitlines() == [
        "takes Y [batch, 2]",
        "gives Z [batch, 3]",
        "note: it takes Y as learning saw it, after prepare",
        "points.onnx",
    ]
    assert said.err == ""
    points = run.dataset.test["Y"]
    (codes,) = onnxruntime.InferenceSession(tmp_path / "points.onnx").run(["Z"], {"Y": points})
    encoder = {key: each.detach().numpy() for key, each in run.model.tensors()["functions.encoder"].items()}
    assert np.allclose(codes, np.tanh(points @ encoder["matrix"].T + encoder["bias"]), rtol=1e-5)


def test_a_search_is_refused_and_leaves_no_file(cli, run, tmp_path):
    said = cli("export", str(run.path), "--to", "torch")
    assert said.code == 1 and "FG690" in said.err and "Traceback" not in said.err
    assert list(tmp_path.glob("*.pt2")) == []


def test_without_onnx_it_says_how_to_install_it(cli, run, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    said = cli("export", str(run.path), "--to", "onnx", "--procedure", "fast")
    assert said.code == 1 and "FG691" in said.err and "factorgraph-ebm[onnx]" in said.err


def test_no_file_of_the_run_is_replaced(cli, run):
    before = (run.path / "spec.yaml").read_bytes()
    said = cli("export", str(run.path), "--to", "torch", "--procedure", "fast", "-o", str(run.path / "spec.yaml"))
    assert said.code == 1 and "FG661" in said.err and (run.path / "spec.yaml").read_bytes() == before
