"""How far apart the directions of filters are."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.lazy import torch
from factorgraph.metrics._base import Kind, MetricLeaf
from factorgraph.metrics._filters import direction

if TYPE_CHECKING:
    from factorgraph.run.measured import Measured


class OrientationGap(MetricLeaf):
    """The smallest angle between the directions of any two of a function's filters, in degrees: at most 180 over their number.

    A filter's direction is the axis along which most of its power spectrum lies, whichever way it points; see ``anisotropy`` for
    whether it has one. Not a number where there is one filter alone.
    """

    type: Literal["orientation_gap"] = "orientation_gap"

    arguments: ClassVar[tuple[Kind, ...]] = ("function",)

    def measure(self, on: Measured, function: str) -> float:
        angles = torch.rad2deg(direction(on.filters(function)).angle() / 2).remainder(180).sort().values
        if len(angles) < 2:
            return float("nan")
        return float(torch.cat([angles.diff(), angles[:1] + 180 - angles[-1:]]).min())
