"""Promises: what a leaf's class line says of its mathematics. Each has a law in ``tests/laws``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from torch import Tensor

Shape = tuple[int, ...]  # of one sample; the batch axis is never written
Promise = type[Any]  # a class of this file
Parameters = Mapping[str, "Tensor"]  # the learned tensors of one leaf, by local name


class Differentiable(ABC):  # noqa: B024  a promise without a method: autograd keeps it
    """Has a gradient almost everywhere in every argument."""


class Cornerless(Differentiable):  # a promise without a method
    """Its gradient does not jump anywhere, so that its second derivatives tell all of how the gradient changes."""


class Smooth(Cornerless):
    """Its gradient is Lipschitz; ``curvature`` bounds the constant, argument by argument."""

    @abstractmethod
    def curvature(self, parameters: Parameters) -> Tensor | float:
        """A bound of the norm of every block of the Hessian: one argument by itself, and by each other argument.

        A number, or a tensor () computed from the factor's parameters without host synchronisation.

        With arguments ``A_i z + b_i`` the gradient in ``z`` has the constant ``curvature() * (sum_i |A_i|)^2``: 2 |A|^2 where one
        argument of a squared distance depends on ``z``, 2 (|A| + |B|)^2 where both do.
        """


class Quadratic(Smooth):
    """A quadratic function of its stacked arguments: its Hessian is constant."""


class Square(Quadratic):
    """Half its ``curvature`` times the squared length of its argument, or of the difference of its two, and perhaps a number."""


class Linear(Quadratic):
    """An affine function of its stacked arguments: it has no Hessian, and is convex with a weight of either sign."""


class Proximal(ABC):
    """Has a proximal map in closed form, unit by unit or group by group."""

    separable: ClassVar[bool] = False  # unit by unit: where it is convex, keeping units nonnegative is a projection afterwards

    @abstractmethod
    def prox(self, v: Tensor, t: Tensor, *still: Tensor) -> Tensor:
        """argmin_z t E(z) + |z - v|^2 / 2 in the one argument that moves. ``v`` (batch, *shape); ``t`` broadcasts to it.

        ``still``: the other arguments in their order, (batch, *shape) or ().
        """


class Absolute(Proximal):
    """Is the sum of magnitudes: its conjugate is the indicator of a box, which gives solvers a duality gap."""

    separable: ClassVar[bool] = True


class Normalised(ABC):  # noqa: B024  a promise without a method
    """Is minus the logarithm of a density of its first argument, the others given: exp(-E) adds up to 1."""


class Estimated(ABC):
    """The parameters for which the sum of its energies over weighted rows is least are known in closed form."""

    @abstractmethod
    def statistics(self, *arguments: Tensor, weight: Tensor) -> dict[str, Tensor]:
        """All that the estimate asks of rows, in double precision: sums, so that those of several batches are added.

        ``arguments`` (rows, *shape) each, without parameters; ``weight`` (rows,), at least 0.
        """

    @abstractmethod
    def estimate(self, sums: Mapping[str, Tensor], parameters: Parameters, explained: Tensor | float = 0.0) -> dict[str, Tensor]:
        """The parameters of least energy. What no row told is as it was; of sums that are no numbers, none.

        ``explained``: of one that is :class:`Dispersed`, (*choices, units, units), what a function that moved meanwhile took off
        the sums of products of the difference's units.
        """


class Dispersed(Estimated):
    """A Gaussian's energy, whose parameters are its precision, or one for each choice of a last argument that is a choice.

    It is half the squared length of a difference, in what the precision makes a length: a mean that is free for each choice is
    best at the same place whatever the precisions are.
    """

    @abstractmethod
    def difference(self, *arguments: Tensor) -> Tensor:
        """The first argument, or what it is more than the second, (rows, units)."""


class Affine(Cornerless):
    """A function ``A x + b``: it has an adjoint, and its norm a bound."""

    @abstractmethod
    def transpose(self, y: Tensor, parameters: Parameters, given: Shape) -> Tensor:
        """The adjoint ``A' y``, without the bias. ``y`` (batch, *result) -> (batch, *given), or flattened, as in ``forward``."""

    @abstractmethod
    def norm_bound(self, parameters: Parameters, given: Shape) -> Tensor:
        """A number at least the spectral norm of ``A`` and at most ten times it, without host synchronisation.

        ``given``: the shape of one sample of what it is applied to, as for ``transpose``.
        """


class Placed(Affine):
    """A function that multiplies what it reads at each of its places by one ``matrix`` (outputs, inputs, *kernel).

    It adds ``bias`` (outputs), or none, and learns nothing else.
    """

    @abstractmethod
    def read(self, x: Tensor, parameters: Parameters) -> Tensor:
        """(batch, *given) -> (batch, places, inputs * kernel): times the matrix, plus the bias, the result there."""

    @abstractmethod
    def constraints(self) -> dict[str, bool]:
        """Which kinds of constraint ``project`` keeps the matrix on, by name. Where it is none, any matrix will do."""

    @abstractmethod
    def column_norms(self) -> tuple[float, float | None] | None:
        """The least norm of a column, which is ``matrix[:, j]``, and the largest, if there is one, between which ``project``
        keeps each. ``None`` where it does anything else."""


class Dense(Placed):
    """A function of one place, where it reads all of flattened x."""


class Saturating(Differentiable):
    """A function unit by unit that is flat somewhere: no unit there answers to its input."""

    @abstractmethod
    def to_flat(self, x: Tensor, parameters: Parameters) -> Tensor:
        """How far each unit of the input is from where the function is flat: (batch, *shape) -> (batch, *shape), 0 there."""


class Selection(Affine):
    """Each result is one of the inputs, and none is taken twice: the adjoint of ones tells which they are."""


class Convolving(Affine):
    """A function that draws one picture for each unit of a map, the same wherever the unit is, and adds them up."""

    @abstractmethod
    def drawn(self, parameters: Parameters, method: str) -> tuple[Tensor, int]:
        """The pictures, (colours, maps, side, side), and how many of their first rows and columns are cut off.

        The unit of a map at p draws its picture from p minus that number on. ``method``: *forward* or *transpose*.
        """


class Grouping(Differentiable):
    """A function that is the length of each group of units, where every unit is in one group: the l1 of it is a group norm."""

    @abstractmethod
    def spread(self, y: Tensor) -> Tensor:
        """The number of each group at each of its units, (batch, *result) -> (batch, *given)."""
