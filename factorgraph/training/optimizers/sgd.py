"""Stochastic gradient descent."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from factorgraph.spec.constants import NonNegative, Real
from factorgraph.training.optimizers._torch import TorchOptimizer


class SGD(TorchOptimizer):
    r"""Parameters move against their gradient, with momentum if asked for.

    .. math:: b \leftarrow \mu b + (1 - d)\, g, \qquad \theta \leftarrow \theta - \eta\, b

    Source:   Robbins & Monro 1951; momentum after Polyak 1964 and Sutskever et al., ICML 2013; torch.optim.SGD.
    """

    type: Literal["sgd"] = "sgd"
    torch_name: ClassVar[str] = "SGD"

    momentum: NonNegative = Field(default=0.0, description="share of the step before that is kept")
    dampening: Real = Field(default=0.0, description="share of the gradient that momentum leaves out")
    weight_decay: NonNegative = Field(default=0.0, description="pulls to zero: this times the parameter is added to its gradient")
    nesterov: bool = Field(default=False, description="looks ahead: the gradient where momentum leads")

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> SGD:
        if self.nesterov and (self.momentum <= 0 or self.dampening != 0):
            raise ValueError("nesterov needs a momentum above 0 and no dampening")
        return self
