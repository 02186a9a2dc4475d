"""Units that wait for others."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.lazy import torch
from factorgraph.metrics._base import Kind, MetricLeaf, active_units

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.run.measured import Measured


class Late(MetricLeaf):
    """The share of held-out samples in which a unit is silent after the first step of a procedure and active after the second.

    One figure a unit. Active means above a thousandth of the code's root mean square, as in ``active``.

    Source: Rolfe & LeCun, Discriminative Recurrent Sparse Auto-Encoders, ICLR 2013, section 4.
    """

    type: Literal["late"] = "late"

    arguments: ClassVar[tuple[Kind, ...]] = ("procedure",)
    per_unit: ClassVar[bool] = True

    def measure(self, on: Measured, procedure: str) -> Tensor:
        first, second = (on.after(procedure, steps) for steps in (1, 2))
        began, went_on = (torch.cat([active_units(each.variables[key]) for key in first.latents], 1) for each in (first, second))
        return (~began & went_on).double().mean(0)
