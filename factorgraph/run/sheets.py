"""Pictures of several answers on one sheet, small ones enlarged, each with words below it."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, sqrt
from typing import TYPE_CHECKING

from factorgraph.data import images
from factorgraph.lazy import np

if TYPE_CHECKING:
    from numpy import ndarray

GAP = 2  # pixels between pictures that stand side by side
APART = 8  # between those on a sheet
SMALL = 80  # pixels: what is smaller is shown at a whole multiple of its size


def sheet(pictures: Sequence[ndarray], words: Sequence[Sequence[str]], columns: int) -> ndarray:
    """Pictures of one size, (height, width) or (3, height, width), in rows; ``words``: lines below each, as many for all."""
    tiles = [_with_words(enlarged(each), lines) for each, lines in zip(pictures, words, strict=True)]
    blank = np.ones_like(tiles[0])
    tiles += [blank] * (-len(tiles) % columns)
    rows = [beside(tiles[begin : begin + columns], APART) for begin in range(0, len(tiles), columns)]
    between = np.ones((*rows[0].shape[:-2], APART, rows[0].shape[-1]))
    return np.concatenate([part for each in rows for part in (between, each)][1:], axis=-2)


def columns_for(count: int) -> int:
    """From as many columns as rows to twice as many: those that leave the fewest places empty."""
    least = ceil(sqrt(count))
    return min(range(least, max(least, min(2 * least, count)) + 1), key=lambda columns: -count % columns)


def enlarged(picture: ndarray) -> ndarray:
    """A small picture at the least whole multiple of its size that is not small: each pixel a square."""
    times = max(1, -(-SMALL // max(picture.shape[-2:])))
    return picture.repeat(times, axis=-2).repeat(times, axis=-1)


def beside(pictures: Sequence[ndarray], gap: int = GAP) -> ndarray:
    """Pictures of one height side by side, white between them."""
    between = np.ones((*pictures[0].shape[:-1], gap))
    return np.concatenate([part for each in pictures for part in (between, each)][1:], axis=-1)


def _with_words(picture: ndarray, lines: Sequence[str]) -> ndarray:
    if not lines:
        return picture
    words = images.written(lines, picture.shape[-1])
    return np.concatenate([picture, np.broadcast_to(words, (*picture.shape[:-2], *words.shape))], axis=-2)
