"""How many filters look like Gabor functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.metrics._base import Kind, MetricLeaf
from factorgraph.metrics._filters import gabor_like

if TYPE_CHECKING:
    from factorgraph.run.measured import Measured


class GaborShare(MetricLeaf):
    """The share of a function's filters that are local and oriented.

    A filter counts when at least 0.8 of its squared values lie in its best rectangle of half the area (6x12 or 12x6 of 12x12),
    and the larger eigenvalue of the second-moment matrix of its power spectrum, padded to twice the side, is at least twice the
    smaller. Filters are a decoder's columns, an encoder's rows, in the space of the prepared data, where the model lives: noise
    scores 0 there, patches of photographs about 0.1, a learned dictionary of whitened patches 0.4 to 0.6.
    """

    type: Literal["gabor_share"] = "gabor_share"

    arguments: ClassVar[tuple[Kind, ...]] = ("function",)

    def measure(self, on: Measured, function: str) -> float:
        return float(gabor_like(on.filters(function)).double().mean())
