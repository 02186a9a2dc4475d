"""Sheets of pictures: how many stand in a row, how large they are, and that words stand below the right one."""

from __future__ import annotations

import numpy as np
import pytest

from factorgraph.data.images import LINE, written
from factorgraph.run.sheets import columns_for, enlarged, sheet


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (2, 2), (3, 3), (4, 2), (5, 5), (10, 5), (12, 4), (100, 10)])
def test_columns_leave_few_places_empty(count, columns):
    assert columns_for(count) == columns


@pytest.mark.parametrize(("side", "times"), [(8, 10), (28, 3), (79, 2), (80, 1), (300, 1)])
def test_small_pictures_are_enlarged_by_a_whole_number(side, times):
    picture = np.random.default_rng(1).random((3, side, side - 1))
    found = enlarged(picture)
    assert found.shape == (3, times * side, times * (side - 1))
    np.testing.assert_array_equal(found[:, ::times, ::times], picture)
    np.testing.assert_array_equal(found[:, times - 1 :: times, times - 1 :: times], picture)


@pytest.mark.parametrize("colors", [(), (3,)])
def test_words_stand_below_their_picture(colors):
    pictures = [np.full((*colors, 90, 84), each) for each in (0.1, 0.2, 0.3)]
    words = [[f"name {each}", f"label {each}"] for each in range(3)]
    found = sheet(pictures, words, 2)
    assert found.shape == (*colors, 2 * (90 + 2 * LINE) + 8, 2 * 84 + 8)
    plane = found if not colors else found[1]
    np.testing.assert_array_equal(plane[90 : 90 + 2 * LINE, 92:], written(words[1], 84))
    assert (plane[:90, 92:] == 0.2).all() and (plane[-26 - 90 : -26, :84] == 0.3).all() and (plane[-116:, 92:] == 1).all()


def test_of_long_words_the_end_is_read():
    page = written(["a" * 80 + "photo7"], 84)
    assert page.shape == (LINE, 84) and page.min() < 0.5
    np.testing.assert_array_equal(page, written(["b" * 30 + "a" * 50 + "photo7"], 84))
    assert not np.array_equal(page, written(["a" * 80 + "photo8"], 84))
    assert (written([""], 84) == 1).all()
