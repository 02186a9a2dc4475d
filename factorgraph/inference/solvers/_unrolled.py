"""Solvers whose steps are layers: all that a step knows of the energy is in three matrices, which can be learned."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from factorgraph.inference.solvers._kinds import Iterative
from factorgraph.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Layer:
    """One step: ``shrink(drive + inhibition z)`` is where each unit costs least, as far as the solver sees.

    For a smooth part with the gradient H z + c and step lengths t the drive is -t c, the inhibition I - t H.
    """

    drive: Tensor  # (batch, units)
    inhibition: Tensor  # (units, units), a row is what one unit receives
    shrink: Callable[[Tensor], Tensor]  # (batch, units) -> (batch, units), in memory of its own
    lengths: Tensor | None = None  # (units,), for solvers that compare units by them

    def reach(self, z: Tensor) -> Tensor:
        """(batch, units): what is shrunk."""
        return torch.addmm(self.drive, z, self.inhibition.T)


class Unrollable(Iterative):
    """A solver that can be cut after some steps and trained as a network."""

    compares: ClassVar[bool] = False  # units with each other, by their step lengths: these stay as they are when matrices learn
    finishes: ClassVar[bool] = False  # with one shrinkage of all units, since its steps move one

    leaps: ClassVar[str] = ""  # what it makes of its last two codes before the inhibition reads them, in a word

    def chooses(self) -> str:
        """What it makes of a code that was shrunk and of the one before, in words; empty where the former is the next code."""
        return ""

    @abstractmethod
    def lengths(self, hessian: Tensor, bound: Tensor) -> Tensor:
        """() or (units,): how far each unit moves along its gradient. ``hessian`` (units, units), ``bound`` as of a problem."""

    def products(self, steps: float, from_zero: bool, units: int) -> float:
        """With the whole inhibition, that some steps cost: a code of zeros needs none. This is the T of LISTA(T) in papers."""
        return max(steps - from_zero, 0)

    @abstractmethod
    def unroll(self, start: Tensor, layers: Sequence[Layer]) -> Tensor:
        """(batch, units): the code after one step for each layer, the same as ``stepper`` gives, with gradients through all.

        A solver that ``finishes`` then shrinks all units once more.
        """
