"""How far one procedure's code is from another's."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.metrics._base import Kind, MetricLeaf, squared_difference

if TYPE_CHECKING:
    from factorgraph.run.measured import Measured


class CodeError(MetricLeaf):
    """The squared difference of two procedures' codes, summed over units, averaged over held-out samples.

    Source: Gregor & LeCun, ICML 2010, whose figures show it.
    """

    type: Literal["code_error"] = "code_error"

    arguments: ClassVar[tuple[Kind, ...]] = ("procedure", "procedure")

    def measure(self, on: Measured, procedure: str, reference: str) -> float:
        return squared_difference(on.solved(procedure), on.solved(reference))[0]
