from __future__ import annotations

import struct
import sys
import zlib

import numpy as np
import pytest

from factorgraph.data.model import Request
from factorgraph.data.sources.svhn import FILES, Svhn
from factorgraph.errors import DataError

scipy_io = pytest.importorskip("scipy.io", reason="scipy writes the files of this test")
RANDOM = np.random.default_rng(6)
X = {name: RANDOM.integers(0, 256, (32, 32, 3, rows), dtype=np.uint8) for name, rows in zip(FILES, (11, 4), strict=True)}
Y = {name: RANDOM.integers(1, 11, (x.shape[3], 1), dtype=np.uint8) for name, x in X.items()}
Y["train_32x32.mat"][3] = 10


@pytest.fixture
def written(tmp_path):
    def write(packed=True, **changed):
        (tmp_path / "svhn").mkdir(exist_ok=True)
        for name in FILES:
            named = {"X": X[name], "y": Y[name]} | (changed if name == "train_32x32.mat" else {})
            scipy_io.savemat(tmp_path / "svhn" / name, named, do_compression=packed)
        return tmp_path / "svhn" / "train_32x32.mat"

    return write


def load(root, seed=0, count=None, test=None):
    return Svhn().load(Request(seed, count, test, (root,)))


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("kind", [np.uint8, np.float64])
def test_what_was_written_is_read_and_ten_is_nought(tmp_path, written, packed, kind):
    written(packed, y=Y["train_32x32.mat"].astype(kind))
    splits = load(tmp_path)
    for table, name in ((splits.train, "train_32x32.mat"), (splits.test, "test_32x32.mat")):
        picture = X[name][:, :, :, 2]  # height, width, colour
        assert np.allclose(table.fields["image"][2], picture.transpose(2, 0, 1) / 255, atol=1e-7)
        assert (table.fields["label"] == Y[name][:, 0] % 10).all() and table.fields["image"].shape == (len(Y[name]), 3, 32, 32)
    assert splits.train.fields["label"][3] == 0 and splits.train.fields["label"].dtype == np.int64
    assert (load(tmp_path, 1, 7, 2).train.rows, load(tmp_path, 1, 7, 2).test.rows) == (7, 2)


TRAIN = X["train_32x32.mat"]
CHANGES = [
    {"X": TRAIN.astype(np.float64)},
    {"X": TRAIN[..., :-1]},
    {"X": TRAIN[:28]},
    {"X": TRAIN.transpose(3, 2, 0, 1)},
    {"y": Y["train_32x32.mat"].T},
    {"y": Y["train_32x32.mat"] + 1},
    {"X": np.asarray([{}], dtype=object)},
    {"X": "a word"},
]


@pytest.mark.parametrize("changed", CHANGES, ids=lambda changed: f"{next(iter(changed))}")
def test_what_does_not_fit_is_told(tmp_path, written, changed):
    written(**changed)
    with pytest.raises(DataError, match=r"FG526[^\n]*train_32x32.mat"):
        load(tmp_path)


def test_torn_files_are_told(tmp_path, written):
    file = written()
    whole = file.read_bytes()
    lengths = (0, 5, 127, 128, 131, 140, len(whole) // 2, len(whole) - 3)
    for raw in (*(whole[:length] for length in lengths), b"<html>not found</html>" * 100, whole[:140] + bytes(200) + whole[340:]):
        file.write_bytes(raw)
        with pytest.raises(DataError, match=r"FG526[^\n]*train_32x32.mat"):
            load(tmp_path)


def test_a_bomb_is_not_unfolded(tmp_path, written):
    file = written()
    swollen = zlib.compress(bytes(300_000_000), 1)
    file.write_bytes(file.read_bytes()[:128] + struct.pack("<II", 15, len(swollen)) + swollen)
    with pytest.raises(DataError, match=r"FG526[^\n]*unfolds to more than"):
        load(tmp_path)


def test_without_scipy_it_is_said_what_to_install(tmp_path, written, monkeypatch):
    written()
    monkeypatch.setitem(sys.modules, "scipy", None)
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    with pytest.raises(DataError, match=r"FG527[\s\S]*pip install"):
        load(tmp_path)
