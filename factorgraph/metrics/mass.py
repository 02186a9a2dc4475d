"""The probability of the patterns in the data."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.metrics._base import Kind, MetricLeaf
from factorgraph.metrics._partition import distinct, log_likelihood

if TYPE_CHECKING:
    from factorgraph.run.measured import Measured


class Mass(MetricLeaf):
    """The probability that the model gives to all patterns among the held-out samples together; for discrete data.

    1: it draws nothing else. The procedure sums over all observed and latent variables.
    """

    type: Literal["mass"] = "mass"

    arguments: ClassVar[tuple[Kind, ...]] = ("procedure",)

    def measure(self, on: Measured, procedure: str) -> float:
        return float(log_likelihood(on, procedure)[distinct(on)].exp().sum())
