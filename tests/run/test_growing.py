"""Rows from a file that is larger than memory through a model into one that is larger still."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

import factorgraph
from factorgraph.data import arrays
from factorgraph.errors import FactorgraphError
from factorgraph.run import growing, infer

SPEC = """
factorgraph: 1
seed: 3
variables:
  Y: {kind: observed, shape: [64]}
  Z: {kind: latent, shape: [3]}
functions:
  decoder: {type: linear}
factors:
  reconstruction: {type: squared_distance, between: [Y, decoder(Z)]}
  small:          {type: squared_distance, between: [Z, 0], weight: 0.37}
inference:
  code: {method: argmin, of: Z}
learning:
  fit: {loss: energy, optimizer: adam, epochs: 1, batch_size: all}
data: {source: arrays, file: known.npy, test: 10, prepare: [center], bind: {Y: array}}
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    home = tmp_path_factory.mktemp("growing")
    np.save(home / "known.npy", np.random.default_rng(0).standard_normal((40, 64)).astype(np.float32))
    (home / "spec.yaml").write_text(SPEC)
    return factorgraph.train(home / "spec.yaml", home / "run", device="cpu")


def test_pieces_are_what_the_whole_is(run, tmp_path, monkeypatch):
    x = np.random.default_rng(1).standard_normal((23, 64))
    for name, order in (("rows", "C"), ("columns", "F")):
        np.save(tmp_path / f"{name}.npy", np.asarray(x, order=order))
        list(infer.infer(run, tmp_path / f"{name}.npy", tmp_path / f"{name}.npz", None))
    monkeypatch.setattr(infer, "ROWS_AT_ONCE", 5)
    monkeypatch.setattr(growing, "IN_MEMORY", 100)
    said = list(infer.infer(run, tmp_path / "rows.npy", tmp_path / "pieces.npz", None))
    whole, columns, pieces = (np.load(tmp_path / f"{name}.npz") for name in ("rows", "columns", "pieces"))
    np.save(tmp_path / "one.npy", x[:1])
    (one, *_) = infer.infer(run, tmp_path / "one.npy", tmp_path / "one.npz", None)
    assert one.startswith("1 sample: mean energy")
    assert said[0].startswith("23 samples: mean energy") and whole["variable.Z"].shape == (23, 3)
    assert whole.files == pieces.files and {"energy", "reconstruction.Y", "share.small", "status"} <= set(whole.files)
    for key in whole.files:
        assert whole[key].dtype == pieces[key].dtype and np.array_equal(whole[key], columns[key])
        np.testing.assert_allclose(whole[key], pieces[key], atol=1e-5)


def test_memory_does_not_grow_with_rows(run, tmp_path, monkeypatch):
    monkeypatch.setattr(growing, "IN_MEMORY", 1000)
    peaks = []
    for rows in (2000, 20_000):
        np.save(tmp_path / "x.npy", np.ones((rows, 64), np.float32))
        tracemalloc.start()
        list(infer.infer(run, tmp_path / "x.npy", tmp_path / "x.npz", None))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 1e6  # the input alone has 5 MB


def test_a_bad_row_of_a_later_piece_is_named_and_nothing_is_written(run, tmp_path, monkeypatch):
    monkeypatch.setattr(infer, "ROWS_AT_ONCE", 5)
    x = np.ones((12, 64))
    x[11, 3] = np.nan
    np.save(tmp_path / "x.npy", x)
    with pytest.raises(FactorgraphError, match="row 11") as told:
        list(infer.infer(run, tmp_path / "x.npy", tmp_path / "x.npz", None))
    assert told.value.issues[0].code == "FG507" and [each.name for each in tmp_path.iterdir()] == ["x.npy"]


def test_a_file_that_is_cut_off_is_told(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((9, 4)))
    cut = (tmp_path / "x.npy").read_bytes()[:-8]
    (tmp_path / "x.npy").write_bytes(cut)
    with pytest.raises(FactorgraphError, match=r"x\.npy cannot be read"):
        list(arrays.in_pieces(tmp_path / "x.npy", 4))
