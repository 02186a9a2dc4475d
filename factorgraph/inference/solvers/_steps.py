"""The forward half of a proximal step, and how long it should be where no bound is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from factorgraph.inference.problem import Problem
from factorgraph.inference.rows import flat, norm
from factorgraph.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

PROBE = 1e-2  # of the code's norm, or of 1 for a code of zeros: a step along the gradient that curvature is measured on
GENTLE, STEEP = 1e-6, 1e12  # what a measured curvature is clipped to


def step_length(problem: Problem) -> Tensor:
    """(): the inverse of the bound; finite also where the smooth part is constant."""
    assert problem.bound is not None, "a fixed step needs a bound of the curvature"
    return 1 / problem.bound.clamp_min(GENTLE)


def forward(problem: Problem, length: Tensor) -> Callable[[Tensor], Tensor]:
    """``z - length * gradient(z)``: for a quadratic problem one matrix product, z (I - H/L) - b/L.

    Where a proximal map follows, which returns memory of its own, every call overwrites the result of the one before.
    """
    quadratic = problem.quadratic
    if quadratic is None or quadratic.apart:
        return lambda z: z - length * problem.gradient(z)
    identity = torch.eye(len(quadratic.hessian), dtype=quadratic.hessian.dtype, device=quadratic.hessian.device)
    lateral = identity - length * quadratic.hessian  # S of Gregor & LeCun, ICML 2010, equation 3
    drive = -length * quadratic.linear
    result = reusable(None if problem.rest is None else torch.empty_like(drive))  # a new one each step costs a tenth of the step
    return lambda z: torch.addmm(drive, flat(z), lateral, out=result).view(z.shape)


def backward(problem: Problem) -> Callable[[Tensor, Tensor], Tensor]:
    """The proximal map of the rest; without one, nothing happens."""
    return (lambda v, t: v) if problem.rest is None else problem.rest.prox


def measured_curvature(problem: Problem, z: Tensor, gradient: Tensor) -> Tensor:
    """(batch,): how much the gradient changes along itself: at most the Lipschitz constant, and a start for finding it."""
    code, slope = norm(z), norm(gradient)
    probe = PROBE * torch.where(code > 0, code, torch.ones_like(code))
    scale = (probe / slope.clamp_min(torch.finfo(z.dtype).tiny)).reshape(-1, *[1] * (z.dim() - 1))
    change = norm(problem.gradient(z - scale * gradient) - gradient) / probe
    return change.clamp(GENTLE, STEEP).detach()


def reusable(memory: Tensor | None) -> Tensor | None:
    """Memory that a step may write its result into; none while gradients are recorded, which need what was there."""
    return None if torch.is_grad_enabled() else memory


def slack(energy: Tensor) -> Tensor:
    """(batch,): how much an energy may rise from rounding alone."""
    return 10 * torch.finfo(energy.dtype).eps * energy.abs()
