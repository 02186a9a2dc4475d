"""Statistics over many rows in float64, a bounded piece at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from factorgraph.lazy import np

if TYPE_CHECKING:
    from factorgraph.data.model import Array
    from factorgraph.structure import Shape

ROWS_AT_ONCE = 4096  # a float64 piece of 12x12 patches stays below 5 MB


def pieces(x: Array) -> Iterator[Array]:
    """Float64 copies of consecutive rows; one empty piece where there are no rows."""
    for start in range(0, max(len(x), 1), ROWS_AT_ONCE):
        yield x[start : start + ROWS_AT_ONCE].astype(np.float64)


def changed(change: Callable[[Array], Array], x: Array, shape: Shape) -> Array:
    """``change`` applied to every row; the result (rows, *shape) has the type of ``x``."""
    result = np.empty((len(x), *shape), dtype=x.dtype)
    start = 0
    for piece in pieces(x):
        result[start : start + len(piece)] = change(piece)
        start += len(piece)
    return result


def flat(x: Array) -> Array:
    """(rows, *shape) -> (rows, units)"""
    return x.reshape(len(x), int(np.prod(x.shape[1:], dtype=np.int64)))


def per_row(numbers: Array, x: Array) -> Array:
    """(rows,) -> (rows, 1, ...), to be broadcast over ``x``."""
    return numbers.reshape(len(numbers), *(1,) * (x.ndim - 1))


def mean(x: Array) -> Array:
    """(rows, *shape) -> (*shape)"""
    total = sum((piece.sum(axis=0) for piece in pieces(x)), np.zeros(x.shape[1:]))
    result: Array = np.asarray(total / len(x))
    return result


def covariance(x: Array) -> tuple[Array, Array]:
    """The mean (units,) and covariance (units, units), divided by the number of rows, of rows (rows, *shape)."""
    center = flat(mean(x)[None])[0]
    total = np.zeros((len(center), len(center)))
    for piece in pieces(x):
        off = flat(piece) - center
        total += off.T @ off
    return center, total / len(x)


def contrast(x: Array) -> Array:
    """The standard deviation of the values of each row: (rows, *shape) -> (rows,)."""
    found: Array = flat(x).std(axis=1)
    return found


def norm(x: Array) -> Array:
    """The Euclidean length of each row: (rows, *shape) -> (rows,)."""
    found: Array = np.linalg.norm(flat(x), axis=1)
    return found
