"""Adamax."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from factorgraph.spec.constants import NonNegative, Positive
from factorgraph.training.optimizers._torch import Beta, TorchOptimizer


class Adamax(TorchOptimizer):
    r"""Each parameter moves by its gradient's running mean over the largest magnitude, which fades.

    .. math:: u \leftarrow \max(\beta_2 u, |g| + \epsilon), \qquad \theta \leftarrow \theta - \eta\, \hat m / u

    Source:   Kingma & Ba, ICLR 2015, algorithm 2; torch.optim.Adamax.
    """

    type: Literal["adamax"] = "adamax"
    torch_name: ClassVar[str] = "Adamax"

    betas: tuple[Beta, Beta] = Field(default=(0.9, 0.999), description="decays of the gradient's mean and of the largest")
    eps: Positive = Field(default=1e-8, description="added to the magnitude")
    weight_decay: NonNegative = Field(default=0.0, description="pulls to zero: this times the parameter is added to its gradient")
