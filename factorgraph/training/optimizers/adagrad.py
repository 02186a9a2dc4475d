"""Adagrad."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from factorgraph.spec.constants import NonNegative, Positive
from factorgraph.training.optimizers._torch import TorchOptimizer


class Adagrad(TorchOptimizer):
    r"""Each parameter moves by its gradient over the root of all its squares so far.

    .. math:: \theta \leftarrow \theta - \eta\, g / (\sqrt{\textstyle\sum g^2} + \epsilon)

    Source:   Duchi, Hazan & Singer, JMLR 12, 2011, figure 1; torch.optim.Adagrad.
    """

    type: Literal["adagrad"] = "adagrad"
    torch_name: ClassVar[str] = "Adagrad"

    lr_decay: NonNegative = Field(default=0.0, description="the learning rate is divided by 1 plus this times the steps done")
    weight_decay: NonNegative = Field(default=0.0, description="pulls to zero: this times the parameter is added to its gradient")
    initial_accumulator_value: NonNegative = Field(default=0.0, description="what the sum of squares starts at")
    eps: Positive = Field(default=1e-10, description="added to the denominator")
