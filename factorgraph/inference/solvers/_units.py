"""Moves of single units: what a unit's move costs along its column, and where it costs least."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from factorgraph.inference.problem import Problem
from factorgraph.inference.rows import flat
from factorgraph.inference.solvers import _slices
from factorgraph.inference.solvers._slices import Follow
from factorgraph.inference.solvers._steps import GENTLE
from factorgraph.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

Move = Callable[["Tensor", "Tensor", "Tensor | None"], "tuple[Tensor, Tensor]"]


def mover(problem: Problem) -> tuple[Move, int]:
    """Moves one unit of each row to where it costs least, and how many there are.

    ``move(z, gradient, unit)``, z and gradient (batch, units), unit (batch, 1), gives both after it and writes over them. Without
    a unit each row takes the one with the largest h (new - old)^2 / 2, by which the energy falls at least.
    """
    curvature, follow = _columns(problem)
    least, shortening = _least(problem, curvature), curvature.sqrt()

    def move(z: Tensor, gradient: Tensor, unit: Tensor | None) -> tuple[Tensor, Tensor]:
        wanted = least(torch.addcdiv(z, gradient, curvature, value=-1))
        if unit is None:
            unit = ((wanted - z) * shortening).abs_().argmax(1, keepdim=True)
        value = wanted.gather(1, unit)
        gradient = follow(gradient, unit, value - z.gather(1, unit))
        return z.scatter_(1, unit, value), gradient

    return move, len(curvature)


def _columns(problem: Problem) -> tuple[Tensor, Follow]:
    """The curvature along each unit, (units,), and how the gradient follows a move."""
    if problem.convolved is not None:
        return _slices.curvature(problem.convolved).clamp_min(GENTLE), _slices.follower(problem.convolved)
    assert problem.quadratic is not None and not problem.quadratic.apart, "one unit moves along a column of one Hessian"
    hessian = problem.quadratic.hessian

    def follow(gradient: Tensor, unit: Tensor, moved: Tensor) -> Tensor:
        return gradient.addcmul_(moved, hessian.index_select(0, unit.squeeze(1)))

    return hessian.diagonal().clamp_min(GENTLE), follow


def _least(problem: Problem, curvature: Tensor) -> Callable[[Tensor], Tensor]:
    """Where each unit costs least, (batch, units), from where its square alone would."""
    rest = problem.rest
    if rest is None:
        return lambda v: v
    assert rest.l1 is not None, "beside magnitudes nothing is minimised unit by unit here"
    threshold = flat(rest.l1.expand_as(problem.start)) / curvature
    if rest.nonnegative:
        return lambda v: (v - threshold).clamp_min_(0)
    return lambda v: v - torch.clamp(v, -threshold, threshold)
