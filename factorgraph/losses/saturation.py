"""Units that rest on the flat part of their activation."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from factorgraph.losses._loss import LossLeaf, Need
from factorgraph.spec.expressions import Expression
from factorgraph.structure import Saturating

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.training.objective import Batch


class Saturation(LossLeaf):
    r"""Pushes the input of every unit towards the nearest part of its activation that is flat, where the unit does not move.

    .. math:: \frac{1}{n} \sum_Y \sum_j d(a_j), \qquad h_j = s(a_j), \qquad d(a) = \min_{b:\ s'(b) = 0} |a - b|

    Promises: 0 where no unit answers to its input.
    Needs:    a value that is made by an activation with a flat part, which says how far it is: a relu, where this is a price on
              activity, ``saturated_linear``, or ``shrink``.
    Shapes:   a (batch, *shape) -> a number, summed over units and slots, averaged over the batch.
    Units:    those of a.
    Source:   Goroshin & LeCun, arXiv:1301.3577.
    """

    type: Literal["saturation"] = "saturation"
    of: Expression = Field(description="the value whose units are to rest, as they leave their activation")

    sees_energy: ClassVar[bool] = False
    strategy: ClassVar[str] = "CONTRACTION"

    def needs(self) -> tuple[Need, ...]:
        return ("flatness",)

    def value(self, batch: Batch) -> Tensor:
        total = batch.zero()
        for function, inputs, parameters in batch.made_by("of"):
            assert isinstance(function, Saturating), "other functions are refused when learning is planned"
            total = total + function.to_flat(inputs, parameters).flatten(1).sum(1).mean()
        return total
