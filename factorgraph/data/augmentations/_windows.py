"""Rows and columns of pictures, chosen for each sample apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factorgraph.lazy import np

if TYPE_CHECKING:
    from factorgraph.data.model import Array


def whole(chance: Array, low: int, high: int) -> Array:
    """Numbers below 1 as whole numbers from ``low`` to ``high``, each as likely: (rows,) int64."""
    found: Array = low + (chance * (high - low + 1)).astype(np.int64)
    return found


def at(x: Array, rows: Array, columns: Array) -> Array:
    """Of pictures (samples, ..., height, width) each sample's own rows (samples, a) and columns (samples, b): (..., a, b)."""
    planes = x.reshape(len(x), -1, *x.shape[-2:])
    sample, plane = np.arange(len(x))[:, None, None, None], np.arange(planes.shape[1])[None, :, None, None]
    found: Array = planes[sample, plane, rows[:, None, :, None], columns[:, None, None, :]]
    return found.reshape(*x.shape[:-2], rows.shape[1], columns.shape[1])
