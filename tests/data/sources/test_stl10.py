from __future__ import annotations

import io
import tarfile

import numpy as np
import pytest

from factorgraph.data.model import Request
from factorgraph.data.sources.stl10 import Stl10
from factorgraph.errors import DataError

RANDOM = np.random.default_rng(7)
TRAIN, TEST, MORE = 10, 4, 6
X = RANDOM.integers(0, 256, (TRAIN + TEST + MORE, 96, 96, 3), dtype=np.uint8)  # height, width, colour
Y = RANDOM.integers(0, 10, TRAIN + TEST, dtype=np.uint8)
Y[0] = 9
FOLDS = [[(3 * fold + i) % TRAIN for i in range(4)] for fold in range(10)]


def columns(pictures):
    """Red, green, blue, each down its columns, as MATLAB has them."""
    return b"".join(picture[:, :, color].T.tobytes() for picture in pictures for color in range(3))


def files():
    return {
        "class_names.txt": b"airplane\n",
        "unlabeled_X.bin": columns(X[TRAIN + TEST :]),
        "train_X.bin": columns(X[:TRAIN]),
        "train_y.bin": (Y[:TRAIN] + 1).tobytes(),
        "test_X.bin": columns(X[TRAIN : TRAIN + TEST]),
        "test_y.bin": (Y[TRAIN:] + 1).tobytes(),
        "fold_indices.txt": "".join(" ".join(map(str, fold)) + " \n" for fold in FOLDS).encode(),
    }


def unpacked(root, **changed):
    folder = root / "stl10" / "stl10_binary"
    folder.mkdir(parents=True, exist_ok=True)
    for name, raw in files().items():
        (folder / name).write_bytes(changed.get(name.partition(".")[0], raw))


def packed(root, **changed):
    (root / "stl10").mkdir()
    with tarfile.open(root / "stl10" / "stl10_binary.tar.gz", "w:gz", compresslevel=1) as archive:
        for name, own in files().items():
            raw = changed.get(name.partition(".")[0], own)
            head = tarfile.TarInfo(f"stl10_binary/{name}")
            head.size = len(raw)
            archive.addfile(head, io.BytesIO(raw))


def load(root, seed=0, count=None, test=None, folds=1):
    return Stl10(folds=folds).load(Request(seed, count, test, (root,)))


def shown(images):
    return images.transpose(0, 3, 1, 2) / 255


@pytest.mark.parametrize("write", [packed, unpacked])
def test_what_was_written_is_read(tmp_path, write):
    write(tmp_path)
    splits = load(tmp_path)
    assert np.allclose(splits.train.fields["image"], shown(X[:TRAIN]), atol=1e-7)
    assert np.allclose(splits.test.fields["image"], shown(X[TRAIN : TRAIN + TEST]), atol=1e-7)
    assert (splits.train.fields["label"] == Y[:TRAIN]).all() and (splits.test.fields["label"] == Y[TRAIN:]).all()


@pytest.mark.parametrize("write", [packed, unpacked])
def test_beyond_the_labelled_come_those_without_a_label(tmp_path, write):
    write(tmp_path)
    splits = load(tmp_path, count=TRAIN + 5)
    assert splits.train.fields["label"].tolist() == [*Y[:TRAIN].tolist(), -1, -1, -1, -1, -1]
    assert np.allclose(splits.train.fields["image"][TRAIN:], shown(X[TRAIN + TEST : -1]), atol=1e-7)
    assert not set(splits.train.groups) & set(splits.test.groups) and splits.test.rows == TEST
    assert Stl10.unlabelled
    few = load(tmp_path, count=3)
    assert few.train.rows == 3 and min(few.train.fields["label"]) >= 0


@pytest.mark.parametrize("write", [packed, unpacked])
def test_the_authors_folds(tmp_path, write):
    write(tmp_path)
    for seed in (0, 7, 13):
        rows = sorted(FOLDS[seed % 10])
        assert np.allclose(load(tmp_path, seed, folds=10).train.fields["image"], shown(X[rows]), atol=1e-7)
    mixed = load(tmp_path, 2, count=4 + 3, folds=10).train.fields["label"].tolist()
    assert mixed == [*Y[sorted(FOLDS[2])].tolist(), -1, -1, -1]
    with pytest.raises(ValueError, match="1 or 10"):
        Stl10(folds=5)


DAMAGE = [
    {"train_X": columns(X[:TRAIN])[:-1]},
    {"test_X": columns(X[:TEST]) + b"\0"},
    {"train_y": (Y[:TRAIN] + 2).tobytes()},
    {"train_y": bytes(TRAIN)},
    {"test_y": b""},
    {"test_y": bytes(8001)},
]


@pytest.mark.parametrize("changed", DAMAGE, ids=lambda changed: next(iter(changed)))
def test_damage_is_told(tmp_path, changed):
    unpacked(tmp_path, **changed)
    with pytest.raises(DataError, match="FG526"):
        load(tmp_path)


def test_what_is_not_there_is_told(tmp_path):
    unpacked(tmp_path, unlabeled_X=columns(X[:2]))
    with pytest.raises(DataError, match="FG526"):
        load(tmp_path, count=TRAIN + 3)
    with pytest.raises(DataError, match="FG509"):
        load(tmp_path, count=TRAIN + 100_001)
    (tmp_path / "stl10" / "stl10_binary" / "unlabeled_X.bin").unlink()
    with pytest.raises(DataError, match=r"FG509[^\n]*there are 0"):
        load(tmp_path, count=TRAIN + 1)


@pytest.mark.parametrize("folds", [b"", b"1 2 x\n", b"0 10\n", b"-1\n", b"\xff\n"])
def test_folds_that_are_none_are_told(tmp_path, folds):
    unpacked(tmp_path, fold_indices=folds)
    with pytest.raises(DataError, match=r"FG526[^\n]*line 1 of fold_indices.txt"):
        load(tmp_path, folds=10)
    (tmp_path / "stl10" / "stl10_binary" / "fold_indices.txt").unlink()
    with pytest.raises(DataError, match=r"FG526[^\n]*fold_indices.txt"):
        load(tmp_path, folds=10)
