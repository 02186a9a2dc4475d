"""Matching the ratios of probabilities between neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from factorgraph.lazy import torch
from factorgraph.losses._flips import FlipsLeaf

if TYPE_CHECKING:
    from torch import Tensor


class RatioMatching(FlipsLeaf):
    r"""Lowers the energy of binary data below that of their neighbours, and cares less the lower it is already.

    .. math:: \frac{1}{n} \sum_Y \sum_i \sigma(F(Y) - F(Y^{(i)}))^2, \qquad \sigma(x) = \frac{1}{1 + e^{-x}}

    The neighbour :math:`Y^{(i)}` has unit i of the binary observed variables flipped; :math:`e^{F(Y) - F(Y')}` is the ratio of
    its probability to that of the sample, in which the partition function cancels.

    Promises: no partition function and no samples; with enough data the true parameters, where the model holds them. Each term is
              between 0 and 1. Patterns that single flips do not connect are not weighed against each other.
    Needs:    a binary observed variable; those that are not binary stay as they are.
    Shapes:   energies (batch,) at data, (units * batch,) at neighbours -> a number, summed over units, averaged over the batch.
    Source:   Hyvarinen, Computational Statistics & Data Analysis 51(5), 2007.
    """

    type: Literal["ratio_matching"] = "ratio_matching"

    def of(self, rise: Tensor) -> Tensor:
        return torch.sigmoid(rise).square()
