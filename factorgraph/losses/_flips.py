"""Losses that compare each sample with its neighbours: the same sample with one binary unit flipped."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from factorgraph.lazy import torch
from factorgraph.losses._loss import LossLeaf, Need

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.training.objective import Batch


class FlipsLeaf(LossLeaf):
    """A sum over single flips, averaged over the batch. Observed variables that are not binary stay as they are: given them,
    the energy is that of the binary ones. F is beta times the free energy."""

    strategy: ClassVar[str] = "CONTRAST"
    anchored: ClassVar[bool] = False

    def needs(self) -> tuple[Need, ...]:
        return ("flips",)

    @abstractmethod
    def of(self, rise: Tensor) -> Tensor:
        """What a flip costs, of any shape, from F(Y) - F(Y'): the potential of a sample less that of its neighbour."""

    def value(self, batch: Batch) -> Tensor:
        here = batch.potential()
        there = [batch.far({key: flips(batch.given[key])}) for key in batch.observed("binary")]
        return self.of(here - torch.cat([each.reshape(-1, batch.size) for each in there])).sum(0).mean()


def flips(bits: Tensor) -> Tensor:
    """(batch, *shape) -> (units * batch, *shape): the whole batch with its first unit flipped, then with its second, ..."""
    flat = bits.flatten(1)
    one = torch.eye(flat.shape[1], dtype=torch.bool, device=bits.device)[:, None]
    return torch.where(one, 1 - flat, flat).reshape(-1, *bits.shape[1:])
