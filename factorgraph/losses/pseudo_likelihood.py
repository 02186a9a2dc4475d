"""The probability of each unit given all others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from factorgraph.lazy import torch
from factorgraph.losses._flips import FlipsLeaf

if TYPE_CHECKING:
    from torch import Tensor


class PseudoLikelihood(FlipsLeaf):
    r"""Makes each unit of binary data likely, given all others.

    .. math:: -\frac{1}{n} \sum_Y \sum_i \log p(Y_i \mid Y_{-i}) = \frac{1}{n} \sum_Y \sum_i \log(1 + e^{F(Y) - F(Y^{(i)})})

    The neighbour :math:`Y^{(i)}` has unit i of the binary observed variables flipped. F is beta times the free energy.

    Promises: no partition function and no samples; with enough data the true parameters, where the model holds them. Convex where
              the energy is linear in the parameters. Patterns that single flips do not connect are not weighed against each
              other.
    Needs:    a binary observed variable; those that are not binary stay as they are.
    Shapes:   energies (batch,) at data, (units * batch,) at neighbours -> a number, summed over units, averaged over the batch.
    Units:    nats.
    Source:   Besag, The Statistician 24(3), 1975.
    """

    type: Literal["pseudo_likelihood"] = "pseudo_likelihood"

    def of(self, rise: Tensor) -> Tensor:
        return torch.logaddexp(rise, torch.zeros_like(rise))
