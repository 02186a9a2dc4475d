"""How far one procedure's code is from another's, as a share of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.metrics._base import Kind, MetricLeaf, squared_difference

if TYPE_CHECKING:
    from factorgraph.run.measured import Measured


class RelativeCodeError(MetricLeaf):
    """The mean squared difference of two procedures' codes over the second's mean squared norm.

    0 is the same code, 1 is what a code of zeros gets. A second code that is zero everywhere gives no number.
    """

    type: Literal["relative_code_error"] = "relative_code_error"

    arguments: ClassVar[tuple[Kind, ...]] = ("procedure", "procedure")

    def measure(self, on: Measured, procedure: str, reference: str) -> float:
        difference, norm = squared_difference(on.solved(procedure), on.solved(reference))
        return difference / norm if norm > 0 else float("nan")
