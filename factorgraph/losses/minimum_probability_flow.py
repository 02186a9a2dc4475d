"""The flow of probability away from data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from factorgraph.losses._flips import FlipsLeaf

if TYPE_CHECKING:
    from torch import Tensor


class MinimumProbabilityFlow(FlipsLeaf):
    r"""Stops probability from flowing from binary data to their neighbours, were the energy to let it go.

    .. math:: \frac{1}{n} \sum_Y \sum_i e^{(F(Y) - F(Y^{(i)})) / 2}

    The neighbour :math:`Y^{(i)}` has unit i of the binary observed variables flipped; the sum is the rate at which probability
    leaves the data under dynamics that end at the model, at their first moment.

    Promises: no partition function and no samples; with enough data the true parameters, where the model holds them. Convex where
              the energy is linear in the parameters. Where few patterns lie apart, the energies of their neighbours rise without
              end; and patterns that single flips do not connect are not weighed against each other.
    Needs:    a binary observed variable; those that are not binary stay as they are. Neighbours that are data count as others do.
    Shapes:   energies (batch,) at data, (units * batch,) at neighbours -> a number, summed over units, averaged over the batch.
    Source:   Sohl-Dickstein, Battaglino & DeWeese, ICML 2011 (arXiv:0906.4779).
    """

    type: Literal["minimum_probability_flow"] = "minimum_probability_flow"

    def of(self, rise: Tensor) -> Tensor:
        return (rise / 2).exp()
