"""Codes that hardly move with the data."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from factorgraph.losses._loss import LossLeaf, Need
from factorgraph.spec.expressions import Expression

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.training.objective import Batch


class Contraction(LossLeaf):
    r"""Makes a value move as little as it can with what is observed: what still moves it are the directions that the data take.

    .. math:: \frac{1}{n} \sum_Y \left\lVert \frac{\partial h(Y)}{\partial Y} \right\rVert^2
              = \frac{1}{n} \sum_Y \sum_j s'(a_j)^2 \lVert w_j \rVert^2 \quad \text{where } h = s(W Y + b)

    Promises: exact for any value, by its derivative along the fewer of its own units and those observed; in closed form where it
              is a dense matrix of an observed variable, then unit by unit.
    Needs:    a value that is computed from what is observed: one that is inferred has no derivative here. A decoder that is tied
              to the encoder, or bounded: a free one makes up for a code that shrinks.
    Shapes:   h (batch, *shape) -> a number, averaged over the batch, summed over slots.
    Units:    the square of h's unit over that of Y's.
    Source:   Rifai, Vincent, Muller, Glorot & Bengio, ICML 2011, equations 4 and 5.
    """

    type: Literal["contraction"] = "contraction"
    of: Expression = Field(description="the value that is to move little")

    sees_energy: ClassVar[bool] = False
    strategy: ClassVar[str] = "CONTRACTION"

    def needs(self) -> tuple[Need, ...]:
        return ("motion",)

    def value(self, batch: Batch) -> Tensor:
        return sum((each.mean() for each in batch.slopes("of")), batch.zero())
