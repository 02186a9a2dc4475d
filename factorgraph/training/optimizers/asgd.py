"""Stochastic gradient descent with the rate of averaging."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from factorgraph.spec.constants import NonNegative
from factorgraph.training.optimizers._torch import TorchOptimizer


class ASGD(TorchOptimizer):
    r"""Parameters move against their gradient, by less and less; their average is kept beside them, in checkpoints.

    .. math:: \theta \leftarrow (1 - \lambda \eta_t)\, \theta - \eta_t\, g, \qquad \eta_t = \eta / (1 + \lambda \eta t)^\alpha

    The model keeps the parameters themselves, not the average.

    Source:   Polyak & Juditsky, SIAM J. Control and Optimization 30, 1992, section 1; torch.optim.ASGD.
    """

    type: Literal["asgd"] = "asgd"
    torch_name: ClassVar[str] = "ASGD"

    lambd: NonNegative = Field(default=1e-4, description="pulls to zero, and how fast the learning rate falls")
    alpha: NonNegative = Field(default=0.75, description="the power with which it falls")
    t0: NonNegative = Field(default=1e6, description="the step from which parameters are averaged")
    weight_decay: NonNegative = Field(default=0.0, description="pulls to zero: this times the parameter is added to its gradient")
