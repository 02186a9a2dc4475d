"""RMSprop."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from factorgraph.spec.constants import NonNegative, Positive
from factorgraph.training.optimizers._torch import Beta, TorchOptimizer


class RMSprop(TorchOptimizer):
    r"""Each parameter moves by its gradient over the root of its square's running mean.

    .. math:: \theta \leftarrow \theta - \eta\, g / (\sqrt{v} + \epsilon)

    Source:   Tieleman & Hinton, lecture 6.5, 2012; torch.optim.RMSprop.
    """

    type: Literal["rmsprop"] = "rmsprop"
    torch_name: ClassVar[str] = "RMSprop"

    alpha: Beta = Field(default=0.99, description="decay of the running mean of squares")
    eps: Positive = Field(default=1e-8, description="added to the denominator")
    weight_decay: NonNegative = Field(default=0.0, description="pulls to zero: this times the parameter is added to its gradient")
    momentum: NonNegative = Field(default=0.0, description="share of the step before that is kept")
    centered: bool = Field(default=False, description="divides by the deviation instead of the root of the square")
