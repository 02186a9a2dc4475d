"""Adam."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from factorgraph.spec.constants import NonNegative, Positive
from factorgraph.training.optimizers._torch import Beta, TorchOptimizer


class Adam(TorchOptimizer):
    r"""Each parameter moves by its gradient's running mean over the root of its square's running mean.

    .. math:: \theta \leftarrow \theta - \eta\, \hat m / (\sqrt{\hat v} + \epsilon)

    Source:   Kingma & Ba, ICLR 2015, algorithm 1; torch.optim.Adam.
    """

    type: Literal["adam"] = "adam"
    torch_name: ClassVar[str] = "Adam"

    betas: tuple[Beta, Beta] = Field(default=(0.9, 0.999), description="decays of the running means of gradient and square")
    eps: Positive = Field(default=1e-8, description="added to the denominator")
    weight_decay: NonNegative = Field(default=0.0, description="pulls to zero: this times the parameter is added to its gradient")
    amsgrad: bool = Field(default=False, description="divides by the largest square so far")
