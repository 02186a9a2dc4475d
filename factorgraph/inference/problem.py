"""What a solver sees: tensors and callables, never factors.

A problem is ``minimise smooth(z) + rest(z)`` over ``z`` of shape (batch, *shape), each row on its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from factorgraph.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.inference.convolved import Convolved
    from factorgraph.structure import Solver


@dataclass(frozen=True)
class Quadratic:
    """``z' H z / 2 + b' z + c``: the smooth part in closed form, ``z`` flattened to (batch, units).

    Beside an l1, or groups, it must be a sum of squares, ``|D z - y|^2 / 2`` for some D and y, or the duality gap is none.
    """

    hessian: Tensor  # symmetric; (units, units), the same for every row, or (batch, units, units)
    linear: Tensor  # (batch, units)
    constant: Tensor  # (batch,)

    @property
    def apart(self) -> bool:
        """Whether each row has a Hessian of its own."""
        return self.hessian.dim() == 3

    def gradient(self, z: Tensor) -> Tensor:
        """(batch, units) -> (batch, units)"""
        if self.apart:
            return (self.hessian @ z[:, :, None]).squeeze(2) + self.linear
        return torch.addmm(self.linear, z, self.hessian)

    def value(self, z: Tensor) -> Tensor:
        """(batch, units) -> (batch,)"""
        return (z * (self.gradient(z) + self.linear)).sum(1) / 2 + self.constant

    def take(self, rows: Tensor) -> Quadratic:
        """The same for some rows."""
        return Quadratic(self.hessian[rows] if self.apart else self.hessian, self.linear[rows], self.constant[rows])


@dataclass(frozen=True)
class Groups:
    """``units . |z|`` and ``weight . |z_g|``, the lengths of disjoint groups: every unit is in one of them.

    A weight of a group may be 0 where none of a unit's is: all together are a norm, whose dual tells a gap.
    """

    places: Tensor  # (groups, members) int64: the units of each; beyond the last of a group, how many units there are
    weight: Tensor  # (groups,)
    units: Tensor  # (units,)

    def of(self, x: Tensor) -> Tensor:
        """(rows, units) -> (rows, groups, members); 0 beyond the last of a group."""
        gathered: Tensor = torch.nn.functional.pad(x, (0, 1))[:, self.places]
        return gathered

    def at_units(self, x: Tensor) -> Tensor:
        """(groups,) -> (units,)"""
        last = len(self.units)
        return x.new_empty(last + 1).index_copy(0, self.places.flatten(), x.repeat_interleave(self.places.shape[1]))[:last]

    @property
    def least(self) -> Tensor:
        """(units,): what each unit pays, alone, for being one longer."""
        return self.units + self.at_units(self.weight)


@dataclass(frozen=True)
class Rest:
    """The part without a gradient, domain included: ``prox(v, t)`` is argmin_z t rest(z) + |z - v|^2 / 2.

    It returns memory of its own, never ``v`` or a part of it: solvers write the next ``v`` over the last.
    ``l1`` holds the weight of abs(z) per unit, broadcastable to ``z``, when the rest is nothing else: it gives a duality gap; so
    do ``groups``, when it is nothing else but lengths of them beside it.
    """

    value: Callable[[Tensor], Tensor]  # (batch, *shape) -> (batch,)
    prox: Callable[[Tensor, Tensor], Tensor]
    l1: Tensor | None = None
    nonnegative: bool = False
    groups: Groups | None = None

    @property
    def least(self) -> Tensor | None:
        """What each unit pays, alone, for being one longer, as ``l1``; ``None`` where the rest is anything else."""
        return self.l1 if self.groups is None else self.groups.least


@dataclass(frozen=True)
class Choices:
    """Every value of a finite domain, made when it is asked for: all at once would often not fit into memory."""

    count: int
    at: Callable[[Tensor], Tensor]  # (n,) numbers below ``count`` -> (n, *shape)
    width: int = 1  # numbers held while one energy is computed, about
    log_measure: float = 0.0  # the logarithm of how much of the domain each of them stands for


@dataclass(frozen=True)
class Part:
    """Some variables of a problem, minimised by a solver of their own while the others stand still."""

    solver: Solver
    problem: Callable[[Tensor], Problem]  # from the code of all: theirs alone, which starts where they are
    put: Callable[[Tensor, Tensor], Tensor]  # (code of all, theirs) -> the code of all with theirs in its place, in new memory


@dataclass(frozen=True)
class Problem:
    """One minimisation for each row of a batch."""

    start: Tensor  # (batch, *shape)
    smooth: Callable[[Tensor], Tensor]  # (batch, *shape) -> (batch,)
    gradient: Callable[[Tensor], Tensor]  # (batch, *shape) -> the same shape
    bound: Tensor | None = None  # (), at least the Lipschitz constant of the gradient
    rest: Rest | None = None
    quadratic: Quadratic | None = None
    convolved: Convolved | None = None  # the smooth part, where a solver is to see its kernels
    squares: bool = False  # the smooth part is a sum of squares of affine maps: with an l1, or groups, it has a duality gap
    compiled: bool = False  # a compiled kernel may search, where the solver has one
    fused: bool = False  # a kernel may search in the solver's place
    choices: Choices | None = None  # of a finite domain
    parts: tuple[Part, ...] = ()  # which together are all of it, where it is minimised part by part
    take: Callable[[Tensor], Problem] | None = None  # the same problem for some rows; ``start`` is taken too

    def energy(self, z: Tensor) -> Tensor:
        """(batch, *shape) -> (batch,)"""
        smooth = self.smooth(z)
        return smooth if self.rest is None else smooth + self.rest.value(z)


CONVERGED, OUT_OF_STEPS, NOT_FINITE = 0, 1, 2  # the status of a row
SENTENCES = ("converged", "out of steps", "not finite")


def in_samples(count: int, kind: str = "") -> str:
    """How many samples, in words: ``1 sample``, ``12 test samples``."""
    return " ".join(filter(None, (str(count), kind, "sample" if count == 1 else "samples")))


@dataclass(frozen=True)
class Minimum:
    """What a solver found. A failed solve is a value with a status, never an exception."""

    z: Tensor  # (batch, *shape)
    status: Tensor  # (batch,) int64: CONVERGED, OUT_OF_STEPS or NOT_FINITE
    steps: Tensor  # (batch,) int64: steps that each row took
    certificate: Tensor  # (batch,) relative duality gap where there is one, else relative fixed-point residual; 0 when exact
