from __future__ import annotations

import gzip

import numpy as np
import pytest

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
