"""How dense a procedure's code is."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.lazy import torch
from factorgraph.metrics._base import Kind, MetricLeaf, active_units

if TYPE_CHECKING:
    from factorgraph.run.measured import Measured


class Active(MetricLeaf):
    """The share of code units that are active in a sample, over the held-out samples and all latents.

    Active means above a thousandth of the code's root mean square: exact zeros are silent, and so is
    what a tanh leaves near zero.
    """

    type: Literal["active"] = "active"

    arguments: ClassVar[tuple[Kind, ...]] = ("procedure",)

    def measure(self, on: Measured, procedure: str) -> float:
        solved = on.solved(procedure)
        masks = [active_units(solved.variables[each]).flatten() for each in solved.latents]
        return float(torch.cat(masks).double().mean()) if masks else float("nan")
