from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from factorgraph.data.model import Request
from factorgraph.data.sources.bars_and_stripes import BarsAndStripes


@pytest.mark.parametrize(("side", "count"), [(1, 2), (2, 6), (3, 14), (4, 30)])
def test_every_pattern_is_there_once_on_either_side(side, count):
    splits = BarsAndStripes(side=side).load(Request(seed=3))
    for table in (splits.train, splits.test):
        images = table.fields["image"]
        assert images.shape == (count, side, side) and set(np.unique(images)) <= {0, 1}
        assert len({image.tobytes() for image in images}) == count
        rows, columns = images.std(axis=2).max(axis=1) == 0, images.std(axis=1).max(axis=1) == 0
        assert (rows | columns).all()


def test_more_of_them_are_as_even_as_can_be():
    images = BarsAndStripes().load(Request(seed=3, count=40)).train.fields["image"]
    times = np.unique(images.reshape(40, 9), axis=0, return_counts=True)[1]
    assert len(times) == 14 and set(times) == {2, 3}


def test_so_many_patterns_are_refused():
    with pytest.raises(ValidationError, match="too many patterns"):
        BarsAndStripes(side=17)
