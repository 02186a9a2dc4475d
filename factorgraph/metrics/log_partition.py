"""The partition function."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.metrics._base import Kind, MetricLeaf
from factorgraph.metrics._partition import log_partition

if TYPE_CHECKING:
    from factorgraph.run.measured import Measured


class LogPartition(MetricLeaf):
    r"""The logarithm of the partition function that a procedure sums: of all observed and latent variables.

    .. math:: \log Z = \log \sum_{Y, Z} e^{-\beta E(Y, Z)}

    Units: nats. 0 where the energy is minus the logarithm of a density.
    """

    type: Literal["log_partition"] = "log_partition"

    arguments: ClassVar[tuple[Kind, ...]] = ("procedure",)

    def measure(self, on: Measured, procedure: str) -> float:
        return log_partition(on, procedure)
