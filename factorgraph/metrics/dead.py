"""Units that never fire."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.metrics._base import Kind, MetricLeaf, active_units

if TYPE_CHECKING:
    from factorgraph.run.measured import Measured


class Dead(MetricLeaf):
    """The share of a value's units that are active in no held-out sample, where the first procedure leaves the latents.

    Active means above a thousandth of the value's root mean square, as in ``active``.
    """

    type: Literal["dead"] = "dead"

    arguments: ClassVar[tuple[Kind, ...]] = ("value",)

    def measure(self, on: Measured, value: str) -> float:
        return 1.0 - float(active_units(on.value(value)).any(0).double().mean())
