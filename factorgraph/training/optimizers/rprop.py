"""Resilient backpropagation."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from factorgraph.spec.constants import Positive
from factorgraph.training.optimizers._torch import TorchOptimizer


class Rprop(TorchOptimizer):
    r"""Each parameter moves by a step of its own against the sign of its gradient; for batches of all rows.

    .. math:: \theta \leftarrow \theta - s\, \mathrm{sign}(g)

    The step *s* begins at the learning rate, grows while the sign stays, shrinks where it changes, and no schedule touches it.

    Source:   Riedmiller & Braun, IEEE Int. Conf. on Neural Networks, 1993, figure 1; torch.optim.Rprop.
    """

    type: Literal["rprop"] = "rprop"
    torch_name: ClassVar[str] = "Rprop"

    etas: tuple[Positive, Positive] = Field(
        default=(0.5, 1.2), description="times the step where the sign changes, where it stays"
    )
    step_sizes: tuple[Positive, Positive] = Field(default=(1e-6, 50), description="the least and the largest step")

    @model_validator(mode="after")
    def _shrinks_and_grows(self) -> Rprop:
        if not self.etas[0] < 1 < self.etas[1]:
            raise ValueError("etas: the first must be below 1, the second above it")
        return self
