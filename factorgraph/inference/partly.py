"""A problem of which a part is known: the same energy over what is free of it alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from factorgraph.inference.problem import Problem, Quadratic, Rest
from factorgraph.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Held:
    """What is known of a code: it is ``base + G v`` for what is free, ``v``, of as many units; one for each row of a batch.

    At the place from ``begin`` to ``end`` of the code ``matrix`` leads there from what is free; elsewhere each unit is its own.
    ``free`` is 1 where a unit of v may move, and 0 where it must not.
    """

    base: Tensor  # (batch, units)
    free: Tensor  # (batch, units of v)
    begin: int = 0  # the place
    end: int = 0
    matrix: Tensor | None = None  # (units at the place, units of v there): what is free there comes first in v

    def take(self, rows: Tensor) -> Held:
        return replace(self, base=self.base[rows], free=self.free[rows])

    def lift(self, v: Tensor) -> Tensor:
        """What is free as a code, (batch, units)."""
        v = v * self.free
        if self.matrix is None:
            return self.base + v
        own, others = v[:, : self.matrix.shape[1]], v[:, self.matrix.shape[1] :]
        there = own @ self.matrix.T
        return self.base + torch.cat([others[:, : self.begin], there, others[:, self.begin :]], 1)

    def drop(self, g: Tensor) -> Tensor:
        """The adjoint of the linear part of ``lift``: a slope by the code as one by what is free."""
        if self.matrix is None:
            return g * self.free
        own = g[:, self.begin : self.end] @ self.matrix
        return torch.cat([own, g[:, : self.begin], g[:, self.end :]], 1) * self.free

    def back(self, z: Tensor, v: Tensor) -> Tensor:
        """What is free where the units beside the place are moved to those of a code; those at the place stay as they are."""
        moved = z - self.base
        if self.matrix is None:
            return moved * self.free
        own = v[:, : self.matrix.shape[1]]
        return torch.cat([own, moved[:, : self.begin], moved[:, self.end :]], 1) * self.free

    @property
    def stretch(self) -> Tensor:
        """By how much the lift lengthens at most, (), at least 1."""
        one = self.base.new_ones(())
        return one if self.matrix is None else torch.linalg.matrix_norm(self.matrix, 2).clamp_min(1)


def held(problem: Problem, known: Held) -> Problem:
    """The problem over what is free, from zero on. Its rest must not touch what is known in part."""

    def take(rows: Tensor) -> Problem:
        assert problem.take is not None, "a problem of a block can be taken by rows"
        return held(problem.take(rows), known.take(rows))

    whole, quadratic = problem.rest, problem.quadratic
    rest = None
    if whole is not None:
        rest = Rest(lambda v: whole.value(known.lift(v)), lambda v, t: known.back(whole.prox(known.lift(v), t), v))
    return replace(
        problem,
        start=torch.zeros_like(known.free),
        smooth=lambda v: problem.smooth(known.lift(v)),
        gradient=lambda v: known.drop(problem.gradient(known.lift(v))),
        bound=None if problem.bound is None else problem.bound * known.stretch**2,
        rest=rest,
        quadratic=None if quadratic is None or rest is not None else _quadratic(quadratic, known),
        take=take,
    )


def _quadratic(whole: Quadratic, known: Held) -> Quadratic:
    """Row by row: G' H G, and the slope and the value where nothing of what is free has moved."""
    units, rows = known.free.shape[1], known.base
    columns = torch.stack(
        [known.lift(each.expand_as(known.free)) - rows for each in torch.eye(units, dtype=rows.dtype, device=rows.device)], 2
    )
    curved = whole.hessian @ columns
    return Quadratic(columns.mT @ curved, known.drop(whole.gradient(known.base)), whole.value(known.base))
