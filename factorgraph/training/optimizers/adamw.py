"""Adam with decoupled weight decay."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from factorgraph.spec.constants import NonNegative, Positive
from factorgraph.training.optimizers._torch import Beta, TorchOptimizer


class AdamW(TorchOptimizer):
    r"""Adam, with parameters pulled to zero apart from their gradient.

    .. math:: \theta \leftarrow (1 - \eta \lambda)\theta - \eta\, \hat m / (\sqrt{\hat v} + \epsilon)

    Source:   Loshchilov & Hutter, ICLR 2019, algorithm 2; torch.optim.AdamW.
    """

    type: Literal["adamw"] = "adamw"
    torch_name: ClassVar[str] = "AdamW"

    betas: tuple[Beta, Beta] = Field(default=(0.9, 0.999), description="decays of the running means of gradient and square")
    eps: Positive = Field(default=1e-8, description="added to the denominator")
    weight_decay: NonNegative = Field(default=0.01, description="pulls to zero: by learning rate times this times the parameter")
    amsgrad: bool = Field(default=False, description="divides by the largest square so far")
