"""Telling data from noise whose density is known."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from factorgraph.lazy import torch
from factorgraph.losses._loss import LossLeaf, Need
from factorgraph.spec.constants import Count
from factorgraph.spec.references import Reference
from factorgraph.structure import Parameter

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.training.objective import Batch

TRIED = 10_000  # samples of the noise, about, from which the partition function is estimated when a phase begins


class NoiseContrastive(LossLeaf):
    r"""Lowers the energy of the data and raises that of noise, until it tells which of the two a sample is.

    .. math:: \frac{1}{n} \sum_Y \log(1 + e^{-G(Y)}) + \frac{1}{n} \sum_{k=1}^{\nu n} \log(1 + e^{G(U_k)}), \qquad
              G(u) = -F(u) + c - \log q(u) - \log \nu

    G is the logit of being data, if their density is :math:`e^{-F + c}`, and :math:`\nu` samples U of the noise of density q, the
    *ratio*, come for each of them. The constant c is learned: it ends at minus the logarithm of the partition function, and
    starts where samples of the noise estimate that when the phase begins.

    Promises: no partition function; with enough data the true parameters and constant, where the model holds them. Densities of
              patterns far apart are weighed against each other, if noise comes to both.
    Needs:    a noise variable that stands for an observed one, and is found wherever data are: data that it cannot hold teach
              nothing, and are refused. The nearer to the data, the less of it does.
    Shapes:   F (batch,) at data, (ratio * batch,) at noise; constant () -> a number, averaged over the batch.
    Units:    nats, which the energy has too: F is beta times the free energy.
    Source:   Gutmann & Hyvarinen, AISTATS 2010, equations 2 to 4, and with a ratio JMLR 13, 2012.
    """

    type: Literal["noise_contrastive"] = "noise_contrastive"
    noise: Reference = Field(description="the noise variable that stands for the data")
    ratio: Count = Field(default=1, description="samples of the noise for each of the data")

    strategy: ClassVar[str] = "CONTRAST"
    anchored: ClassVar[bool] = False

    def needs(self) -> tuple[Need, ...]:
        return ("density",)

    def stand_ins(self) -> tuple[str, ...]:
        return (self.noise,)

    def parameters(self) -> Mapping[str, Parameter]:
        return {"constant": Parameter((), "constant", 0.0)}

    def begin(self, batch: Batch) -> Mapping[str, Tensor]:
        drawn = batch.noise(self.noise, math.ceil(TRIED / batch.size))
        chances = -batch.far(drawn) - batch.log_density(self.noise, drawn)
        return {"constant": math.log(len(chances)) - torch.logsumexp(chances, 0)}

    def value(self, batch: Batch) -> Tensor:
        data = {key: batch.given[key] for key in batch.stood_for(self.noise)}
        drawn = batch.noise(self.noise, self.ratio)
        shift = batch.own["constant"] - math.log(self.ratio)
        real = shift - batch.potential() - batch.log_density(self.noise, data)
        made = shift - batch.far(drawn) - batch.log_density(self.noise, drawn)
        return softplus(-real).mean() + self.ratio * softplus(made).mean()


def softplus(x: Tensor) -> Tensor:
    return torch.logaddexp(x, torch.zeros_like(x))
