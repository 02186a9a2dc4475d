from __future__ import annotations

import numpy as np
import pytest

from factorgraph.data.model import Request
from factorgraph.data.sources.planted_codes import PlantedCodes
from factorgraph.errors import DataError


def test_signals_are_sparse_laplace_mixtures_of_the_true_atoms():
    source = PlantedCodes(units=9, atoms=7, active=2)  # fewer atoms than units: the codes can be read back
    splits, truth = source.load(Request(seed=5, count=6000)), source.truth(5)
    assert truth.shape == (9, 7) and np.allclose(np.linalg.norm(truth, axis=0), 1) and source.fields() == {"signal": (9,)}
    codes = splits.train.fields["signal"] @ np.linalg.pinv(truth).T
    assert ((np.abs(codes) > 1e-4).sum(axis=1) == 2).mean() > 0.99
    used = codes[np.abs(codes) > 1e-4]
    assert abs(np.abs(used).mean() - 1) < 0.03 and abs(used.var() - 2) < 0.15 and abs(used.mean()) < 0.05
    assert np.abs((np.abs(codes) > 1e-4).mean(axis=0) - 2 / 7).max() < 0.03


def test_test_signals_are_others_from_the_same_dictionary():
    source = PlantedCodes(units=9, atoms=7, active=2)
    splits = source.load(Request(seed=5, count=30, test=30))
    held_out = splits.test.fields["signal"]
    assert np.allclose(held_out @ np.linalg.pinv(source.truth(5)).T @ source.truth(5).T, held_out, atol=1e-5)
    assert not set(map(bytes, held_out)) & set(map(bytes, splits.train.fields["signal"]))
    assert (source.truth(5) != source.truth(6)).all()


def test_a_longer_set_begins_as_a_shorter_one():
    source = PlantedCodes(units=5, atoms=6, active=2)
    short, long = (source.load(Request(count=many)).train.fields["signal"] for many in (4096, 9000))
    assert (short == long[:4096]).all()


def test_limits():
    with pytest.raises(ValueError, match="cannot be chosen"):
        PlantedCodes(units=4, atoms=2, active=3)
    with pytest.raises(DataError, match="FG508"):
        PlantedCodes(units=10**9, atoms=10**9).load(Request())
