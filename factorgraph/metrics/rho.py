"""Whether a reconstruction projects on the data."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.metrics._base import Kind, MetricLeaf

if TYPE_CHECKING:
    from factorgraph.run.measured import Measured


class Rho(MetricLeaf):
    """The mean value of a factor far from the data over the mean squared distance to the source's curve there.

    Of a squared distance to a reconstruction: 1 where that is the nearest point of the curve, 0 where it copies whatever it is
    given. The factor's weight does not count; the background is the source's.
    """

    type: Literal["rho"] = "rho"

    arguments: ClassVar[tuple[Kind, ...]] = ("factor",)
    of_source: ClassVar[str] = "background"

    def measure(self, on: Measured, factor: str) -> float:
        far = on.background()
        points = far.variables[on.sole().id]
        return float(on.factor_values(factor, far).double().mean() / on.distances(points).square().mean())
