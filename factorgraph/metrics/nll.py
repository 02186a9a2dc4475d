"""The likelihood of data."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.metrics._base import Kind, MetricLeaf
from factorgraph.metrics._partition import log_likelihood

if TYPE_CHECKING:
    from factorgraph.run.measured import Measured


class Nll(MetricLeaf):
    r"""The mean negative log likelihood of held-out samples, exactly.

    .. math:: \frac{\beta}{N} \sum_n F(Y_n) + \log Z

    The procedure sums over all observed and latent variables; the latent ones of a sample are summed out by the first procedure
    that does so with the same factors and beta. Units: nats, per sample.
    """

    type: Literal["nll"] = "nll"

    arguments: ClassVar[tuple[Kind, ...]] = ("procedure",)

    def measure(self, on: Measured, procedure: str) -> float:
        return float(-log_likelihood(on, procedure).mean())
