"""Whether a filter has a direction."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.metrics._base import Kind, MetricLeaf
from factorgraph.metrics._filters import direction

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.run.measured import Measured


class Anisotropy(MetricLeaf):
    r"""How much of each filter's power spectrum F lies along one axis, whichever it is: :math:`|\sum F e^{2 i \theta}| / \sum F`.

    A grating has 1, an edge about a half, a spot or a ring 0. The filter is padded to twice its sides; its mean does not count.
    One figure a unit.
    """

    type: Literal["anisotropy"] = "anisotropy"

    arguments: ClassVar[tuple[Kind, ...]] = ("function",)
    per_unit: ClassVar[bool] = True

    def measure(self, on: Measured, function: str) -> Tensor:
        return direction(on.filters(function)).abs()
