"""Give each sample the length 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.data.rows import norm
from factorgraph.data.steps._size_of_sample import SizeOfSample

if TYPE_CHECKING:
    from factorgraph.data.model import Array


class UnitNorm(SizeOfSample):
    r"""Divides each sample by its Euclidean length.

    .. math:: x' = x / \|x\|

    A sample of zeros stays zero. Undone exactly: the length is remembered.
    """

    type: Literal["unit_norm"] = "unit_norm"

    anywhere: ClassVar[bool] = False  # a larger picture would become a fainter one

    def size(self, x: Array) -> Array:
        return norm(x)
