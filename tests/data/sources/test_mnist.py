"""Tiny sets in the official format, written here; and the real one where it is."""

from __future__ import annotations

import gzip
import os
import struct
from pathlib import Path

import numpy as np
import pytest

from factorgraph.data.model import Request
from factorgraph.data.sources.mnist import FILES, Mnist
from factorgraph.errors import DataError

REAL = [Path(os.environ[name]) for name in ("FACTORGRAPH_DATA",) if os.environ.get(name)]
REAL.append(Path(__file__).parents[4] / "shared" / "data")


def idx(x):
    return struct.pack(f">HBB{x.ndim}I", 0, 8, x.ndim, *x.shape) + x.tobytes()


def sides(train=12, test=5):
    random = np.random.default_rng(3)
    for rows in (train, test):
        yield random.integers(0, 256, (rows, 28, 28), dtype=np.uint8)
        yield random.integers(0, 10, rows, dtype=np.uint8)


@pytest.fixture
def written(tmp_path):
    def write(home="mnist", packed=False, dotted=False):
        folder = tmp_path / home
        folder.mkdir(parents=True, exist_ok=True)
        arrays = list(sides())
        for name, x in zip(FILES, arrays, strict=True):
            file = folder / (name.replace("-idx", ".idx") if dotted else name)
            if packed:
                file = file.with_name(file.name + ".gz")
                file.write_bytes(gzip.compress(idx(x)))
            else:
                file.write_bytes(idx(x))
        return arrays

    return write


def load(root, seed=0, count=None, test=None, **options):
    return Mnist(**options).load(Request(seed, count, test, (root,)))


@pytest.mark.parametrize("home", ["mnist", "MNIST/raw", "MNIST", "."])
@pytest.mark.parametrize(("packed", "dotted"), [(False, False), (True, False), (False, True), (True, True)])
def test_what_was_written_is_read(tmp_path, written, home, packed, dotted):
    x, y, x_test, y_test = written(home, packed, dotted)
    splits = load(tmp_path)
    assert np.allclose(splits.train.fields["image"], x / 255, atol=1e-7) and (splits.train.fields["label"] == y).all()
    assert np.allclose(splits.test.fields["image"], x_test / 255, atol=1e-7) and (splits.test.fields["label"] == y_test).all()
    assert splits.train.fields["image"].dtype == np.float32 and splits.train.fields["label"].dtype == np.int64
    assert splits.about["pictures"] == [12, 5]


def test_a_choice_of_rows_is_by_chance_and_stays_on_its_side(tmp_path, written):
    x = written()[0]
    some, again, other = load(tmp_path, 1, 7, 2), load(tmp_path, 1, 7, 2), load(tmp_path, 2, 7, 2)
    assert (some.train.rows, some.test.rows) == (7, 2) and (some.train.groups == again.train.groups).all()
    assert (some.train.groups != other.train.groups).any() and not set(some.train.groups) & set(some.test.groups)
    assert np.allclose(some.train.fields["image"], x[some.train.groups] / 255, atol=1e-7) and min(some.test.groups) >= 12
    with pytest.raises(DataError, match="FG509"):
        load(tmp_path, 0, 13)


def test_as_many_seeds_as_folds_see_every_row_once(tmp_path, written):
    written()
    parts = [load(tmp_path, seed, folds=5).train.groups.tolist() for seed in range(5)]
    assert sorted(row for part in parts for row in part) == list(range(12)) and {len(part) for part in parts} == {2, 3}
    assert load(tmp_path, 7, folds=5).train.groups.tolist() == parts[2]
    with pytest.raises(DataError, match="FG509"):
        load(tmp_path, folds=13)


DAMAGE = {
    "magic": (0, lambda raw: raw[:2] + b"\x09" + raw[3:], "begins with 00000903"),
    "no file of its kind": (0, lambda raw: b"<html>not found</html>", "begins with"),
    "empty": (2, lambda raw: b"", "begins with"),
    "cut in the head": (0, lambda raw: raw[:9], "begins with"),
    "cut": (0, lambda raw: raw[:-1], "12 labels"),
    "labels cut": (1, lambda raw: raw[:-1], "11 are there"),
    "labels too many": (3, lambda raw: raw + b"\1", "6 are there"),
    "too long": (0, lambda raw: raw + b"\0", "12 labels"),
    "other sides": (0, lambda raw: raw[:8] + struct.pack(">2I", 14, 56) + raw[16:], r"\[12, 14, 56\]"),
    "other number": (1, lambda raw: raw[:4] + struct.pack(">I", 11) + raw[8:], r"labels \[11\]"),
    "label ten": (1, lambda raw: raw[:-1] + b"\x0a", "labels from 0 to 10"),
    "a bomb in numbers": (0, lambda raw: raw[:4] + struct.pack(">I", 2**32 - 1) + raw[8:], "4294967295"),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(("number", "change", "words"), DAMAGE.values(), ids=DAMAGE)
def test_damage_is_told(tmp_path, written, packed, number, change, words):
    written(packed=packed)
    file = tmp_path / "mnist" / (FILES[number] + (".gz" if packed else ""))
    raw = file.read_bytes()
    file.write_bytes(gzip.compress(change(gzip.decompress(raw))) if packed else change(raw))
    with pytest.raises(DataError, match=rf"FG526[^\n]*{words}"):
        load(tmp_path)


def test_a_torn_or_swollen_gzip_is_told(tmp_path, written):
    written(packed=True)
    file = tmp_path / "mnist" / (FILES[0] + ".gz")
    whole = file.read_bytes()
    for raw in (whole[:-5], whole[: len(whole) // 2], b"\x1f\x8b", b"no gzip", whole[:20] + b"\xff" * 40 + whole[60:]):
        file.write_bytes(raw)
        with pytest.raises(DataError, match=r"FG526"):
            load(tmp_path)
    file.write_bytes(gzip.compress(bytes(60_000 * 784 + 17)))
    with pytest.raises(DataError, match=r"FG526[^\n]*longer than the 47040016 bytes"):
        load(tmp_path)


def test_a_missing_set_says_how_to_get_it(tmp_path, written):
    with pytest.raises(DataError, match="FG525") as error:
        load(tmp_path)
    for words in ("train-images-idx3-ubyte", "licence", str(tmp_path), "factorgraph fetch mnist", "11.6 MB"):
        assert words in str(error.value)
    assert "factorgraph fetch mnist" in Mnist.at_hand((tmp_path,))
    written()
    assert Mnist.at_hand((tmp_path,)) == str(tmp_path / "mnist")
    (tmp_path / "mnist" / FILES[3]).unlink()
    with pytest.raises(DataError, match="FG525"):
        load(tmp_path)


def test_a_link_that_leads_out_is_not_followed(tmp_path, written):
    written("outside/mnist")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "mnist").symlink_to(tmp_path / "outside" / "mnist")
    with pytest.raises(DataError, match="FG502"):
        load(tmp_path / "root")
    assert "outside the folders" in Mnist.at_hand((tmp_path / "root",))


def test_the_real_set():
    roots = [root for root in REAL if Mnist.found((root,))]
    if not roots:
        pytest.skip("MNIST is neither in FACTORGRAPH_DATA nor in ../shared/data")
    splits = load(roots[0])
    assert (splits.train.rows, splits.test.rows) == (60_000, 10_000)
    assert np.bincount(splits.train.fields["label"]).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert abs(splits.train.fields["image"].mean(dtype=np.float64) - 0.1306604762738429) < 1e-8  # as everybody's
    assert splits.test.fields["label"][:8].tolist() == [7, 2, 1, 0, 4, 1, 4, 9]
