"""What a loss may ask of the step that it is part of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.structure import Loss, Parameter

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.training.objective import Batch

# see compile.shaping, which tells what each of them takes
Need = Literal["motion", "flatness", "flips", "slope", "curvature", "density", "stand_in", "slots"]


class LossLeaf(Loss, ABC):
    """A functional over energies that parameters descend."""

    sees_energy: ClassVar[bool] = True  # evaluates the energy, and so needs every latent variable that its factors touch

    strategy: ClassVar[str] = ""  # how it keeps the energy from being low everywhere: a name of lint.strategies.Way

    anchored: ClassVar[bool] = True  # a value far above the first is no learning; of others the energy may drift, and they fall

    is_mean: ClassVar[bool] = False  # is the mean of the energy itself, as curved as its factors are

    at_data: ClassVar[bool] = False  # sees values of the data's own rows alone, so that these may be known beforehand

    moves_stand_ins: ClassVar[bool] = False  # gradients reach what makes its stand-ins, and nothing else

    def needs(self) -> tuple[Need, ...]:
        """What it asks of the energy as a function of what is observed, and is refused without."""
        return ()

    def procedures(self) -> tuple[str, ...]:
        """Procedures that it names itself, beside those of its phase."""
        return ()

    def students(self) -> tuple[str, ...]:
        """Those of them that it teaches: their parameters are reached."""
        return ()

    def teachers(self) -> tuple[str, ...]:
        """Those of them whose code it takes as right: no gradient reaches them."""
        return ()

    def partitions(self) -> tuple[str, ...]:
        """Procedures whose sum over everything it needs."""
        return ()

    def ceiling(self) -> float | None:
        """The energy above which nothing is pushed up, where there is one."""
        return None

    def stand_ins(self) -> tuple[str, ...]:
        """Variables that it puts in the place of those that they stand for."""
        return ()

    def parameters(self) -> Mapping[str, Parameter]:
        """What it learns itself, beside the energy: trained wherever it stands."""
        return {}

    def begin(self, batch: Batch) -> Mapping[str, Tensor]:
        """Values of them when a phase begins, where its data tell more than their start."""
        return {}

    @abstractmethod
    def value(self, batch: Batch) -> Tensor:
        """A number, (), averaged over the batch."""
