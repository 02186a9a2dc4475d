from __future__ import annotations

import io
import tracemalloc
import zipfile

import numpy as np
import pytest

from factorgraph.data import arrays, bounds
from factorgraph.data.model import Request
from factorgraph.data.sources.arrays import Arrays
from factorgraph.errors import DataError

X = np.random.default_rng(0).standard_normal((50, 5, 3))


@pytest.fixture
def loaded(tmp_path):
    def load(count=None, test=None, seed=0, **named):
        np.savez(tmp_path / "a.npz", **named)
        return Arrays(file="a.npz").load(Request(seed, count, test, (tmp_path,)))

    return load


def test_rows_are_divided_and_stay_together(loaded):
    splits = loaded(x=X, label=np.arange(50))
    assert (splits.train.rows, splits.test.rows) == (45, 5)
    for table in (splits.train, splits.test):
        assert table.fields["x"].dtype == np.float32 and table.fields["label"].dtype == np.int64
        assert np.allclose(table.fields["x"], X[table.fields["label"]]) and (table.groups == table.fields["label"]).all()
    assert sorted([*splits.train.groups, *splits.test.groups]) == list(range(50))
    assert (loaded(x=X, seed=1, label=np.arange(50)).test.groups != splits.test.groups).any()


NUMBERS = [(20, None, (20, 2)), (20, 7, (20, 7)), (None, 7, (43, 7)), (None, 0.5, (25, 25)), (None, 0.0, (50, 0))]


@pytest.mark.parametrize(("count", "test", "rows"), NUMBERS)
def test_numbers(loaded, count, test, rows):
    splits = loaded(count, test, x=X)
    assert (splits.train.rows, splits.test.rows) == rows and not set(splits.train.groups) & set(splits.test.groups)


@pytest.mark.parametrize(("count", "test"), [(50, None), (51, 0.0), (None, 50), (10, 41)])
def test_too_many(loaded, count, test):
    with pytest.raises(DataError, match="FG509"):
        loaded(count, test, x=X)


def test_the_files_own_split(loaded):
    splits = loaded(x_train=X[:30], x_test=X[30:], y_train=np.arange(30), y_test=np.arange(20))
    assert np.allclose(splits.train.fields["x"], X[:30]) and np.allclose(splits.test.fields["x"], X[30:])
    few = loaded(count=11, test=3, x_train=X[:30], x_test=X[30:])
    assert (few.train.rows, few.test.rows) == (11, 3) and min(few.test.groups) >= 30
    with pytest.raises(DataError, match="FG509"):
        loaded(count=31, x_train=X[:30], x_test=X[30:])


def test_one_array(tmp_path):
    np.save(tmp_path / "a.npy", X)
    assert Arrays(file="a.npy").load(Request(roots=(tmp_path,))).train.fields["array"].shape == (45, 5, 3)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 1e300])
def test_the_first_bad_row_is_named(loaded, wrong):
    x = X.copy()
    x[[17, 31], 2, 1] = wrong
    with pytest.raises(DataError, match=r"FG507[^\n]*field x, row 17"):
        loaded(x=x)


def test_rows_that_disagree(loaded):
    with pytest.raises(DataError, match=r"FG516[^\n]*x has 50, y has 49"):
        loaded(x=X, y=np.zeros(49))
    with pytest.raises(DataError, match="FG516"):
        loaded(x=np.float32(3))
    with pytest.raises(DataError, match="FG516"):
        loaded()


NO_NUMBERS = [np.asarray([{}], dtype=object), np.asarray(["a"]), np.asarray([1j]), np.asarray(["2020"], dtype="datetime64[D]")]


@pytest.mark.parametrize("wrong", NO_NUMBERS)
@pytest.mark.parametrize("save", [np.save, np.savez])
def test_only_numbers_are_read(tmp_path, wrong, save):
    file = tmp_path / ("a.npy" if save is np.save else "a.npz")
    save(file, wrong)
    with pytest.raises(DataError, match="FG515"):
        arrays.read(file)


def test_torsos_and_strangers(tmp_path):
    for name, save in (("a.npy", np.save), ("a.npz", np.savez)):
        save(tmp_path / name, X)
        whole = (tmp_path / name).read_bytes()
        for length in (0, 5, 60, len(whole) // 2, len(whole) - 1):
            (tmp_path / name).write_bytes(whole[:length])
            with pytest.raises(DataError, match="FG515"):
                arrays.read(tmp_path / name)
    (tmp_path / "a.pkl").write_bytes(b"cos\nsystem\n(S'touch /tmp/owned'\ntR.")
    with pytest.raises(DataError, match="FG523"):
        arrays.read(tmp_path / "a.pkl")
    with pytest.raises(DataError, match="FG515"):
        (tmp_path / "b.npy").write_bytes((tmp_path / "a.pkl").read_bytes())
        arrays.read(tmp_path / "b.npy")


def _head_of(shape):
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return head.getvalue()


def test_sizes_are_checked_before_memory_is_taken(tmp_path):
    (tmp_path / "a.npy").write_bytes(_head_of((10**7, 10**5)))
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", _head_of((10**7, 10**5)))
    for name in ("a.npy", "a.npz"):
        with pytest.raises(DataError, match=r"FG508[^\n]*4e\+03 GB"):
            arrays.read(tmp_path / name)


def test_a_zip_bomb_is_refused(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros((1000, 100)), y=np.zeros((1000, 100)))
    monkeypatch.setattr(bounds, "most_bytes", lambda: 1_000_000)
    with pytest.raises(DataError, match="FG508"):
        arrays.read(tmp_path / "a.npz")


def test_a_label_that_is_too_large_is_refused_not_wrapped(loaded):
    with pytest.raises(DataError, match=r"FG505[^\n]*18446744073709551615"):
        loaded(x=X, y=np.full(50, 2**64 - 1, dtype=np.uint64))
    assert loaded(x=X, y=np.full(50, 2**63 - 1, dtype=np.uint64)).train.fields["y"].max() == 2**63 - 1


HEAD = "{'descr': '<f4', 'fortran_order': False, 'shape': %s, }"
STRANGE = {
    "not closed": HEAD[:-3] % "(3,)",
    "nested": "(" * 3000,
    "negated": "-" * 9000 + "1",
    "a torn string": HEAD % "(3,)" + " '''",
    "negative": HEAD % "(-3,)",
    "negative inside": HEAD % "(2, -1)",
    "truth": HEAD % "(True,)",
    "wider than any": HEAD % "(0, 100000000000000000000)",
    "an unhashable key": "{[]: 1}",
}


@pytest.mark.parametrize("head", STRANGE.values(), ids=STRANGE.keys())
@pytest.mark.parametrize("version", [1, 2])
def test_strange_heads_are_refused_in_words(tmp_path, head, version):
    raw = head.encode() + b"\n"
    whole = b"\x93NUMPY" + bytes([version, 0]) + len(raw).to_bytes(2 * version, "little") + raw + bytes(12)
    (tmp_path / "a.npy").write_bytes(whole)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", whole)
    for name in ("a.npy", "a.npz"):
        with pytest.raises(DataError, match=r"FG515[^\n]*cannot be read: .") as error:
            arrays.read(tmp_path / name)
        assert len(error.value.issues) == 1


def test_a_long_head_is_refused_before_it_is_read(tmp_path):
    """A few kilobytes of packed blanks would become a head of any length."""
    size = 50_000_000
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", b"\x93NUMPY\x02\x00" + size.to_bytes(4, "little") + b" " * size)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=r"FG515[^\n]*head has 50000000 bytes"):
            arrays.read(tmp_path / "a.npz")
        assert tracemalloc.get_traced_memory()[1] < size / 20
    finally:
        tracemalloc.stop()


def test_damaged_and_unusual_compression_is_told(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", x=X)
    raw = bytearray((tmp_path / "a.npz").read_bytes())
    raw[60:120] = bytes(each ^ 0x5A for each in raw[60:120])
    (tmp_path / "a.npz").write_bytes(raw)
    with zipfile.ZipFile(tmp_path / "b.npz", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("x.npy", _head_of((0,)))
    for name in ("a.npz", "b.npz"):
        with pytest.raises(DataError, match="FG515"):
            arrays.read(tmp_path / name)


def test_no_member_is_opened_before_all_sizes_are_checked(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros((1000, 100)), y=np.zeros((1000, 100)))
    monkeypatch.setattr(bounds, "most_bytes", lambda: 1_000_000)
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_: pytest.fail("a member is opened"))
    with pytest.raises(DataError, match="FG508"):
        arrays.read(tmp_path / "a.npz")


TWINS = [
    ({"x_test": X[:9, :4]}, r"x_train are numbers of shape \[5, 3\], and those of x_test are numbers of shape \[4, 3\]"),
    ({"y_test": np.linspace(0, 1, 9)}, r"y_train are labels of shape \[\], and those of y_test are numbers"),
    ({"y_test": np.eye(9, dtype=int)}, r"y_test are numbers of shape \[9\]"),
]


@pytest.mark.parametrize(("wrong", "text"), TWINS)
def test_twins_are_alike(loaded, wrong, text):
    sides = {"x_train": X[:30], "x_test": X[30:39], "y_train": np.arange(30), "y_test": np.arange(9)}
    assert loaded(**sides).test.rows == 9
    with pytest.raises(DataError, match=r"FG516[^\n]*" + text):
        loaded(**{**sides, **wrong})
