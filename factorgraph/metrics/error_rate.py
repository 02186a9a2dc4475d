"""How often the label that costs least is the wrong one."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.metrics._base import Kind, MetricLeaf

if TYPE_CHECKING:
    from factorgraph.run.measured import Measured


class ErrorRate(MetricLeaf):
    r"""The share of held-out samples whose label is not the one at which a factor is lowest.

    .. math:: \frac1N \sum_n [\hat y_n \ne y_n], \qquad \hat y_n = \operatorname{argmin}_y F(y, Z_n)

    The codes are those of the first procedure, which does not see a label that is given in training only. Every value that the
    label may take is tried; of equal ones the first counts. A sample without label does not count, one whose energies are no
    numbers is wrong.

    Errors: a factor that touches no label, or several.
    """

    type: Literal["error_rate"] = "error_rate"

    arguments: ClassVar[tuple[Kind, ...]] = ("factor",)

    def measure(self, on: Measured, factor: str) -> float:
        energies, true = on.by_label(factor)
        wrong = (energies.argmin(1) != true) | ~energies.isfinite().all(1)
        return float(wrong.double().mean())
