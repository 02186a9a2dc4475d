"""Adadelta."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from factorgraph.spec.constants import NonNegative, Positive
from factorgraph.training.optimizers._torch import Beta, TorchOptimizer


class Adadelta(TorchOptimizer):
    r"""Each parameter moves by its gradient, in units of its own steps so far: the learning rate is a share, usually 1.

    .. math:: \Delta = \frac{\sqrt{u + \epsilon}}{\sqrt{v + \epsilon}}\, g, \qquad \theta \leftarrow \theta - \eta\, \Delta

    *v* and *u* are running means of the squares of the gradient and of the step.

    Source:   Zeiler, arXiv 1212.5701, 2012, algorithm 1; torch.optim.Adadelta.
    """

    type: Literal["adadelta"] = "adadelta"
    torch_name: ClassVar[str] = "Adadelta"

    rho: Beta = Field(default=0.9, description="decay of the running means")
    eps: Positive = Field(default=1e-6, description="added under the roots")
    weight_decay: NonNegative = Field(default=0.0, description="pulls to zero: this times the parameter is added to its gradient")
