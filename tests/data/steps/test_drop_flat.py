from __future__ import annotations

import numpy as np
import pytest

from factorgraph.data import chain as chains
from factorgraph.data.steps.drop_flat import DropFlat
from factorgraph.errors import DataError


def test_the_share_of_lowest_contrast_goes_and_the_order_stays():
    x = np.random.default_rng(0).standard_normal((200, 7, 3)) * np.linspace(2, 1, 200)[:, None, None]
    _, stayed, rows = chains.fit([DropFlat(share=0.37)], x)
    contrast = x.reshape(200, -1).std(axis=1)
    assert rows.tolist() == sorted(np.argsort(contrast)[74:].tolist()) and (stayed == x[rows]).all()


def test_the_bound_is_that_of_training():
    chain, _, _ = chains.fit([DropFlat(share=0.5)], np.asarray([[0.0, 2 * c] for c in (1, 2, 3, 4)]))
    _, rows = chain.select(np.asarray([[0.0, 2.0], [0.0, 4.0], [0.0, 4.1], [0.0, 9.0]]))
    assert rows.tolist() == [2, 3]
    assert len(chain.apply(np.zeros((5, 2)))[0]) == 5  # inference drops nothing


def test_nothing_and_everything():
    x = np.asarray([[1.0, 1.0], [0.0, 3.0]])
    assert chains.fit([DropFlat(share=0)], x)[2].tolist() == [0, 1]
    with pytest.raises(DataError, match="FG517"):
        DropFlat(share=1).fit(x)
