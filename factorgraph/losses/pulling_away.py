"""Keeping samples of a batch apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from factorgraph.lazy import torch
from factorgraph.losses._loss import LossLeaf
from factorgraph.spec.expressions import Expression

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.training.objective import Batch

EPSILON = 1e-8  # below the length of a code: one of zeros has no direction


class PullingAway(LossLeaf):
    r"""Turns the codes of different samples at right angles, so that a generator does not say one thing over and over.

    .. math:: \frac{1}{n (n - 1)} \sum_i \sum_{j \ne i} \left(\frac{s_i' s_j}{\lVert s_i \rVert \lVert s_j \rVert}\right)^2

    Promises: from 0, all at right angles, to 1, all along one line; the length of a code does not matter.
    Shapes:   s (batch, *shape) -> a number, averaged over pairs of samples, summed over slots.
    Source:   Zhao, Mathieu & LeCun, arXiv:1609.03126, equation 14.
    """

    type: Literal["pulling_away"] = "pulling_away"
    of: Expression = Field(description="the value whose samples are kept apart, such as an encoder of what is made")

    sees_energy: ClassVar[bool] = False

    def value(self, batch: Batch) -> Tensor:
        return sum((_alike(each.flatten(1)) for each in batch.read("of")), batch.zero())


def _alike(codes: Tensor) -> Tensor:
    """Mean squared cosine over pairs of different rows: (batch, units) -> ()."""
    rows = len(codes)
    if rows < 2:
        return codes.new_zeros(())
    directions = torch.nn.functional.normalize(codes, dim=1, eps=EPSILON)
    squares = (directions @ directions.T).square()
    return (squares.sum() - squares.diagonal().sum()) / (rows * (rows - 1))
