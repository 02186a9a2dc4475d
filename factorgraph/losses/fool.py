"""Proposing what a critic takes for data."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from factorgraph.lazy import torch
from factorgraph.losses._loss import LossLeaf, Need
from factorgraph.spec.references import Reference

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.training.objective import Batch


class Fool(LossLeaf):
    r"""Lowers the energy of what is put in the data's place by moving that, not the energy: the generator's side of a game.

    .. math:: \frac{1}{n} \sum_Y \log(1 + e^{F(\tilde Y)}), \qquad \frac{1}{n} \sum_Y F(\tilde Y)

    Logistic, this is minus the logarithm of how real it looks, which has a slope where the critic is sure; hinge, the energy.

    Promises: gradients reach what makes the stand-in, and nothing else.
    Shapes:   energies (batch,) -> a number, averaged over the batch, summed over the slots of the stand-in.
    Source:   Goodfellow et al., NeurIPS 2014, section 3; hinge: Zhao, Mathieu & LeCun, arXiv:1609.03126, equation 2.
    """

    type: Literal["fool"] = "fool"
    fake: Reference = Field(description="the variable that stands for the data")
    form: Literal["logistic", "hinge"] = Field(default="logistic", description="that of the critic's loss")

    anchored: ClassVar[bool] = False
    moves_stand_ins: ClassVar[bool] = True

    def needs(self) -> tuple[Need, ...]:
        return ("stand_in", "slots")

    def stand_ins(self) -> tuple[str, ...]:
        return (self.fake,)

    def value(self, batch: Batch) -> Tensor:
        made = batch.standing(self.fake)
        moved = {key: each.detach().requires_grad_() for key, each in made.items()}
        with torch.enable_grad():
            fake = batch.at(moved).by_slot(self.fake)
            real_looking = fake if self.form == "hinge" else [torch.nn.functional.softplus(each) for each in fake]
            value = sum((each.mean() for each in real_looking), batch.zero())
        slopes = torch.autograd.grad(value, list(moved.values()), allow_unused=True, materialize_grads=True)
        moves = (((each - each.detach()) * slope).sum() for each, slope in zip(made.values(), slopes, strict=True))
        return sum(moves, value.detach())  # the energy's own parameters feel nothing of it
