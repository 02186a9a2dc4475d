from __future__ import annotations

import gzip

import numpy as np
import pytest
from pydantic import ValidationError

from factorgraph.data import bundled
from factorgraph.data.model import Request
from factorgraph.data.sources import digits
from factorgraph.data.sources.digits import Digits
from factorgraph.errors import DataError


def test_they_are_scikit_learn_s():
    datasets = pytest.importorskip("sklearn.datasets")
    own = datasets.load_digits()
    splits = Digits().load(Request(1))
    assert splits.train.rows + splits.test.rows == 1797 and not set(splits.train.groups) & set(splits.test.groups)
    for table in (splits.train, splits.test):
        assert np.allclose(table.fields["image"], own.images[table.groups] / 16)
        assert (table.fields["label"] == own.target[table.groups]).all()
        assert table.fields["image"].dtype == np.float32 and table.fields["label"].dtype == np.int64


def test_numbers():
    pytest.importorskip("sklearn")
    splits = Digits().load(Request(0, 100, 37))
    assert (splits.train.rows, splits.test.rows) == (100, 37)
    with pytest.raises(DataError, match="FG509"):
        Digits().load(Request(0, 1797, 1))


def test_without_scikit_learn_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setattr(bundled, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"FG503[\s\S]*pip install"):
        Digits().load(Request())
    assert "pip install" in Digits.at_hand(())


@pytest.mark.parametrize("text", [b"1,2,3\n", b"a,b\n", b",".join([b"17"] * 65) + b"\n", b"", b"\xff"])
def test_a_damaged_file_is_told(tmp_path, monkeypatch, text):
    (tmp_path / "digits.csv.gz").write_bytes(gzip.compress(text))
    monkeypatch.setattr(digits, "bundled", lambda what, *below: tmp_path / "digits.csv.gz")
    with pytest.raises(DataError, match="FG526"):
        Digits().load(Request())


@pytest.mark.parametrize(
    ("options", "shape"), [({"size": 4}, (4, 4)), ({"colors": 3}, (3, 8, 8)), ({"size": 12, "colors": 3}, (3, 12, 12))]
)
def test_pictures_come_at_another_size_and_in_other_colours(options, shape):
    own, other = (Digits(**each).load(Request(count=20, test=5)).train.fields["image"] for each in ({}, options))
    assert Digits(**options).fields()["image"] == other.shape[1:] == shape
    assert other.dtype == np.float32
    assert other.min() >= 0
    assert other.max() <= 1
    means = own.mean((1, 2)) if len(shape) == 2 else own.mean((1, 2))[:, None].repeat(3, 1)
    np.testing.assert_allclose(other.mean((-2, -1)), means, atol=0.03)  # resizing keeps the ink
    if shape == (3, 8, 8):
        np.testing.assert_array_equal(other, np.repeat(own[:, None], 3, axis=1))


def test_a_picture_has_one_colour_or_three():
    with pytest.raises(ValidationError, match="1 for grey, or 3"):
        Digits(colors=2)
