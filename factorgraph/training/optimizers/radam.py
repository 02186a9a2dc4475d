"""Adam with a rectified start."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from factorgraph.spec.constants import NonNegative, Positive
from factorgraph.training.optimizers._torch import Beta, TorchOptimizer


class RAdam(TorchOptimizer):
    r"""Adam that moves by the gradient's mean alone until the mean of squares can be trusted, and then by less, growing to Adam.

    .. math:: \theta \leftarrow \theta - \eta\, r_t\, \hat m / (\sqrt{\hat v} + \epsilon)

    Source:   Liu et al., On the Variance of the Adaptive Learning Rate and Beyond, ICLR 2020, algorithm 2; torch.optim.RAdam.
    """

    type: Literal["radam"] = "radam"
    torch_name: ClassVar[str] = "RAdam"

    betas: tuple[Beta, Beta] = Field(default=(0.9, 0.999), description="decays of the running means of gradient and square")
    eps: Positive = Field(default=1e-8, description="added to the denominator")
    weight_decay: NonNegative = Field(default=0.0, description="pulls to zero: this times the parameter is added to its gradient")
    decoupled_weight_decay: bool = Field(default=False, description="pulls to zero apart from the gradient, as adamw does")
