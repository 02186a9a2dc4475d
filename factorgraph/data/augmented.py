"""Pictures that learning sees in another way each time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from factorgraph.data.model import AugmentationLeaf
from factorgraph.data.order import chances
from factorgraph.lazy import np

if TYPE_CHECKING:
    from factorgraph.data.model import Array


@dataclass(frozen=True)
class Augmented:
    """The prepared pictures of one column, (rows, ..., height, width), and what is done to them by chance, in order.

    Numbers belong to the seed, the phase, the epoch and the row: pictures of several columns in one row are changed alike, and it
    does not matter who asks for a batch, or when.
    """

    column: str
    pictures: Array
    by: tuple[AugmentationLeaf, ...]

    def drawn(self, seed: int, phase: str, epochs: Array, rows: Array) -> Array:
        """Those of some training rows, each as its epoch, (rows,) or (1,), shows it."""
        epochs = np.broadcast_to(epochs, rows.shape)
        wanted, numbers = sum(each.chances for each in self.by), len(self.pictures)
        chance = np.empty((len(rows), wanted))
        for epoch in np.unique(epochs):
            now = epochs == epoch
            chance[now] = chances(seed, f"augment {phase}", int(epoch), numbers, wanted)[rows[now]]
        x, first = self.pictures[rows], 0
        for each in self.by:
            x = each.vary(x, chance[:, first : first + each.chances])
            first += each.chances
        return x
