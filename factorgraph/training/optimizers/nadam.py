"""Adam that looks ahead."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from factorgraph.spec.constants import NonNegative, Positive
from factorgraph.training.optimizers._torch import Beta, TorchOptimizer


class NAdam(TorchOptimizer):
    r"""Adam with Nesterov's momentum: the running mean of the gradient as it will be after the step.

    .. math:: \theta \leftarrow \theta - \eta\, (\mu_{t+1} \hat m + (1 - \mu_t)\, \hat g) / (\sqrt{\hat v} + \epsilon)

    Source:   Dozat, Incorporating Nesterov Momentum into Adam, ICLR workshop 2016, algorithm 2; torch.optim.NAdam.
    """

    type: Literal["nadam"] = "nadam"
    torch_name: ClassVar[str] = "NAdam"

    betas: tuple[Beta, Beta] = Field(default=(0.9, 0.999), description="decays of the running means of gradient and square")
    eps: Positive = Field(default=1e-8, description="added to the denominator")
    weight_decay: NonNegative = Field(default=0.0, description="pulls to zero: this times the parameter is added to its gradient")
    momentum_decay: NonNegative = Field(default=4e-3, description="how fast the momentum rises to its full value")
    decoupled_weight_decay: bool = Field(default=False, description="pulls to zero apart from the gradient, as adamw does")
