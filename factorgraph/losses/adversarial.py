"""Pushing up where another player proposes."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from factorgraph.lazy import torch
from factorgraph.losses._loss import LossLeaf, Need
from factorgraph.spec.constants import Positive
from factorgraph.spec.references import Reference

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.training.objective import Batch


class Adversarial(LossLeaf):
    r"""Lowers the energy of the data and raises that of what another player puts in their place: the critic's side of a game.

    .. math:: \frac{1}{n} \sum_Y \log(1 + e^{F(Y)}) + \log(1 + e^{-F(\tilde Y)}), \qquad
              \frac{1}{n} \sum_Y F(Y) + \max(0, m - F(\tilde Y))

    Logistic, minus the energy is the logit of being real; hinge, nothing is pushed up beyond the margin.

    Promises: no gradient reaches what makes the stand-in, which is held fixed.
    Shapes:   energies (batch,) -> a number, averaged over the batch, summed over the slots of the stand-in.
    Units:    the margin is an energy, per sample.
    Source:   Goodfellow et al., NeurIPS 2014, equation 1; hinge: Zhao, Mathieu & LeCun, arXiv:1609.03126, equation 1.
    """

    type: Literal["adversarial"] = "adversarial"
    fake: Reference = Field(description="the variable that stands for the data")
    form: Literal["logistic", "hinge"] = Field(default="logistic", description="how energies are pulled apart")
    margin: Positive = Field(default=1.0, description="of hinge: the energy above which nothing is pushed up")

    strategy: ClassVar[str] = "ADVERSARY"
    anchored: ClassVar[bool] = False

    def needs(self) -> tuple[Need, ...]:
        return ("stand_in", "slots")

    def stand_ins(self) -> tuple[str, ...]:
        return (self.fake,)

    def ceiling(self) -> float | None:
        return self.margin if self.form == "hinge" else None

    def value(self, batch: Batch) -> Tensor:
        real = batch.by_slot(self.fake)
        made = {key: each.detach() for key, each in batch.standing(self.fake).items()}
        fake = batch.at(made).by_slot(self.fake)
        return sum((self._apart(*each).mean() for each in zip(real, fake, strict=True)), batch.zero())

    def _apart(self, real: Tensor, fake: Tensor) -> Tensor:
        """(batch,), (batch,) -> (batch,)"""
        if self.form == "hinge":
            return real + torch.relu(self.margin - fake)
        return torch.nn.functional.softplus(real) + torch.nn.functional.softplus(-fake)
