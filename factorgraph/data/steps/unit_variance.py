"""Give each sample a standard deviation of 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from factorgraph.data.rows import contrast
from factorgraph.data.steps._size_of_sample import SizeOfSample

if TYPE_CHECKING:
    from factorgraph.data.model import Array


class UnitVariance(SizeOfSample):
    r"""Divides each sample by the standard deviation of its own values: a patch's contrast.

    .. math:: x' = x / \sqrt{\tfrac{1}{d} \sum_j (x_j - \bar x)^2}

    The mean is not removed; ``remove_mean`` does that. A flat sample is divided by the training samples' usual deviation instead,
    so that a patch of zeros stays zero. Undone exactly: the deviation is remembered.
    """

    type: Literal["unit_variance"] = "unit_variance"

    def size(self, x: Array) -> Array:
        return contrast(x)
