"""Tiny sets in the official formats, written here; and the real one where it is."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest

from factorgraph.data.model import Request
from factorgraph.data.sources.cifar10 import TEST, TRAIN, Cifar10
from factorgraph.data.sources.svhn import Svhn
from factorgraph.errors import DataError

RANDOM = np.random.default_rng(4)
X, Y = RANDOM.integers(0, 256, (3 * 6, 32, 32, 3), dtype=np.uint8), RANDOM.integers(0, 10, 3 * 6, dtype=np.uint8)
NAMES = (*TRAIN, TEST)


def batch(number):
    """Three pictures as the binary version has them: a label; then the red, the green and the blue rows."""
    rows = range(3 * number, 3 * number + 3)
    return b"".join(bytes([Y[row]]) + b"".join(X[row, :, :, color].tobytes() for color in range(3)) for row in rows)


def unpacked(folder, change=lambda number, raw: raw):
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(NAMES):
        (folder / name).write_bytes(change(number, batch(number)))


def packed(path, change=lambda number, raw: raw, names=NAMES):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for number, name in [(None, "readme.html"), *enumerate(names)]:
            raw = b"hello" if number is None else change(number, batch(number))
            head = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            head.size = len(raw)
            archive.addfile(head, io.BytesIO(raw))


def arrays(path, **changed):
    path.parent.mkdir(parents=True, exist_ok=True)
    named = {"x_train": X[:15], "y_train": Y[:15], "x_test": X[15:], "y_test": Y[15:], "class_names": np.asarray(["ship"])}
    np.savez(path, **(named | changed))


WRITERS = {
    "unpacked": lambda root: unpacked(root / "cifar-10-batches-bin"),
    "unpacked in its folder": lambda root: unpacked(root / "cifar10" / "cifar-10-batches-bin"),
    "flat": lambda root: unpacked(root / "cifar10"),
    "packed": lambda root: packed(root / "cifar10" / "cifar-10-binary.tar.gz"),
    "packed beside": lambda root: packed(root / "cifar-10-binary.tar.gz"),
    "arrays": lambda root: arrays(root / "cifar10" / "cifar10_part.npz"),
}


def load(root, seed=0, count=None, test=None):
    return Cifar10().load(Request(seed, count, test, (root,)))


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_what_was_written_is_read(tmp_path, write):
    write(tmp_path)
    splits = load(tmp_path)
    assert np.allclose(splits.train.fields["image"], X[:15].transpose(0, 3, 1, 2) / 255, atol=1e-7)
    assert np.allclose(splits.test.fields["image"], X[15:].transpose(0, 3, 1, 2) / 255, atol=1e-7)
    assert (splits.train.fields["label"] == Y[:15]).all() and (splits.test.fields["label"] == Y[15:]).all()
    assert splits.about["pictures"] == [15, 3] and splits.train.fields["label"].dtype == np.int64
    assert (load(tmp_path, 1, 4, 2).train.rows, load(tmp_path, 1, 4, 2).test.rows) == (4, 2)


DAMAGE = {
    "cut": (1, lambda raw: raw[:-1], "are not pictures of 3073"),
    "too long": (2, lambda raw: raw + b"\0", "are not pictures of 3073"),
    "label": (3, lambda raw: b"\x0a" + raw[1:], "labels from 0 to 10"),
    "a page": (5, lambda raw: b"<html>", "are not pictures of 3073"),
    "empty": (5, lambda raw: b"", ""),
    "swollen": (5, lambda raw: bytes(30_730_001), "longer than the 30730000 bytes"),
}


@pytest.mark.parametrize("form", ["packed", "unpacked"])
@pytest.mark.parametrize(("which", "change", "words"), DAMAGE.values(), ids=DAMAGE)
def test_damage_is_told(tmp_path, form, which, change, words):
    write, place = (packed, "cifar-10-binary.tar.gz") if form == "packed" else (unpacked, "cifar10")
    write(tmp_path / place, lambda number, raw: change(raw) if number == which else raw)
    with pytest.raises(DataError, match=rf"FG526[^\n]*{words}"):
        load(tmp_path)


def test_torn_archives_and_bombs_are_told(tmp_path):
    path = tmp_path / "cifar-10-binary.tar.gz"
    packed(path)
    whole = path.read_bytes()
    for raw in (b"", b"no archive", whole[:1000], whole[: len(whole) // 2], gzip.compress(b"no archive" * 1000)):
        path.write_bytes(raw)
        with pytest.raises(DataError, match="FG526"):
            load(tmp_path)
    packed(path, names=NAMES[:-1])
    with pytest.raises(DataError, match=r"FG526[^\n]*no file test_batch.bin"):
        load(tmp_path)
    head = tarfile.TarInfo("bomb")
    head.size = 10**12
    path.write_bytes(gzip.compress(head.tobuf() + bytes(1000)))
    with pytest.raises(DataError, match=r"FG526[^\n]*ends within"):
        load(tmp_path)
    path.write_bytes(gzip.compress(head.tobuf() + bytes(10_000_000)) + gzip.compress(bytes(10_000_000)) * 20)
    with pytest.raises(DataError, match=r"FG526[^\n]*unfolds to more"):
        load(tmp_path)


def test_a_link_in_an_archive_is_no_file(tmp_path):
    path = tmp_path / "cifar-10-binary.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name in NAMES:
            head = tarfile.TarInfo(name)
            head.type, head.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(head)
    with pytest.raises(DataError, match=r"FG526[^\n]*no file data_batch_1.bin"):
        load(tmp_path)


WRONG_ARRAYS = [
    {"x_train": X[:15].astype(np.float32)},
    {"x_train": X[:14]},
    {"x_test": X[15:].transpose(0, 3, 1, 2)},
    {"y_test": Y[15:].astype(np.int64)},
    {"y_train": Y[:15] + 100},
    {"y_train": Y[:15, None]},
]


@pytest.mark.parametrize("changed", WRONG_ARRAYS, ids=lambda changed: next(iter(changed)))
def test_arrays_that_do_not_fit_are_told(tmp_path, changed):
    arrays(tmp_path / "cifar10" / "cifar10.npz", **changed)
    with pytest.raises(DataError, match="FG526"):
        load(tmp_path)


def test_objects_are_refused(tmp_path):
    arrays(tmp_path / "cifar10" / "cifar10.npz", y_train=np.asarray([{}] * 15, dtype=object))
    with pytest.raises(DataError, match="FG515"):
        load(tmp_path)


def test_a_spec_for_cifar10_takes_house_numbers_by_one_word():
    assert Cifar10().fields() == Svhn().fields() == {"image": (3, 32, 32), "label": ()}


def test_the_real_set():
    roots = [Path(__file__).parents[4] / "shared" / "data"]
    roots += [Path(os.environ["FACTORGRAPH_DATA"])] if os.environ.get("FACTORGRAPH_DATA") else []
    roots = [root for root in roots if Cifar10.found((root,))]
    if not roots:
        pytest.skip("CIFAR-10 is neither in FACTORGRAPH_DATA nor in ../shared/data")
    splits = load(roots[0])
    assert splits.train.fields["label"][:10].tolist() == [6, 9, 9, 4, 1, 1, 2, 7, 8, 3]  # the set's first labels
    assert splits.test.fields["label"][:10].tolist() == [3, 8, 8, 0, 6, 6, 1, 6, 3, 1]
    assert np.rint(splits.train.fields["image"][0, :, 0, 0] * 255).tolist() == [59, 62, 63]  # and its first pixel
    means = splits.train.fields["image"].mean(axis=(0, 2, 3))
    assert np.abs(means - [0.4914, 0.4822, 0.4465]).max() < 0.02  # of all 50,000, as everybody's
