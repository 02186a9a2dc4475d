"""Two halves of an energy, each minimised by itself, made to agree."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.inference.problem import Problem, Quadratic
from factorgraph.inference.rows import flat
from factorgraph.inference.solvers import _fourier
from factorgraph.inference.solvers._kinds import Iterative, State
from factorgraph.inference.solvers._steps import GENTLE, backward, step_length
from factorgraph.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

RELAXATION = 1.6  # of the way to the quadratic half's minimum: Boyd et al., section 3.4.3, say 1.5 to 1.8
SHARE = 0.6  # of a typical curvature: at most half more steps than by the best price, for dictionaries of few and of many units


class Admm(Iterative):
    r"""Minimises the quadratic terms and the rest by themselves, in turn, and pays for the distance between the two results.

    .. math:: x &= (H + \rho)^{-1} (\rho (z - u) - b), \qquad \hat x = 1.6 x - 0.6 z \\
              z &\leftarrow \operatorname{prox}_{E/\rho}(\hat x + u), \qquad u \leftarrow u + \hat x - z

    The inverse is made once, from Cholesky's factors in double precision, so that a step is one product with a matrix, as one
    of FISTA is, and about half as many are needed. The code is z, whose zeros are exact and which keeps to its domain.

    Of a convolution, by the kernel *fourier*, H is never formed: x is taken frequency by frequency, by the formula of Sherman and
    Morrison for one colour. There the picture has a copy of its own, too, at the price c that its misfit weighs with, so that the
    border is exact: kernels end where the picture does, and a mask hides what it hides.

    .. math:: s \leftarrow \operatorname{argmin} |m (s - y)|^2 + |s - \hat p - v|^2, \qquad
              (\rho + c D'D) x = \rho (z - u) - b + c D'(s - v), \quad p = D x

    The price is 0.6 of a typical curvature, the square of the mean root of H's diagonal: where all columns of a dictionary are
    equally long that is the mean of H's eigenvalues. It stays as it is. Of a convolution it is larger by the root of maps over
    colours, halfway between the mean of all eigenvalues and of those that are not 0, which are so many times fewer.

    Needs:    a quadratic, convex smooth part with one Hessian for all examples, at most 4096 units, or any number
              behind one convolution of stride 1 and selections of its result; a rest with a proximal map.
    Shapes:   z and u (batch, *shape), H (units, units).
    Source:   Boyd, Parikh, Chu, Peleato & Eckstein, Found. Trends Machine Learning 3(1), 2011, sections 3.1.1, 3.4.3 and 4.2;
              convolutions Bristow, Eriksson & Lucey, CVPR 2013; one colour Wohlberg, ICASSP 2014; the border Heide, Heidrich &
              Wetzstein, CVPR 2015.
    """

    type: Literal["admm"] = "admm"

    needs: ClassVar[frozenset[str]] = frozenset({"differentiable", "bounded", "convex", "quadratic", "shared", "proximal"})
    uses: ClassVar[frozenset[str]] = frozenset({"quadratic", "shared", "proximal"})
    domains: ClassVar[frozenset[str]] = frozenset({"real", "nonnegative", "simplex"})
    largest: ClassVar[int | None] = 4096
    convolves: ClassVar[Literal["", "fourier", "slices"]] = "fourier"

    def begin(self, problem: Problem) -> State:
        if problem.convolved is not None:
            return _fourier.begin(problem, problem.convolved)
        z = problem.start.clone(memory_format=torch.contiguous_format)
        return z, torch.zeros_like(z)

    def stepper(self, problem: Problem) -> Callable[[State], State]:
        if problem.convolved is not None:
            price = _price(problem.convolved.diagonal) * problem.convolved.crowding**0.5
            return _fourier.stepper(problem, problem.convolved, price, RELAXATION)
        assert problem.quadratic is not None and not problem.quadratic.apart, "one Hessian is factorised for all rows"
        price = _price(problem.quadratic.hessian.diagonal())
        nearest, prox, length = _nearest(problem.quadratic, price), backward(problem), 1 / price

        def step(state: State) -> State:
            z, u = state
            x = nearest(flat(z - u)).view(z.shape)
            reached = u.add_(x, alpha=RELAXATION).add_(z, alpha=1 - RELAXATION)
            z = prox(reached, length)
            return z, reached.sub_(z)

        return step

    def inverse_step(self, problem: Problem, state: State) -> Tensor:
        return 1 / step_length(problem)


def _price(diagonal: Tensor) -> Tensor:
    """(): what the distance between the halves costs, rho; a mean of roots, so that a few steep units do not set it for all."""
    return SHARE * diagonal.clamp_min(GENTLE).sqrt().mean().square()


def _nearest(form: Quadratic, price: Tensor) -> Callable[[Tensor], Tensor]:
    """The minimum of the quadratic part with the price of the distance to ``v``, (batch, units) -> (batch, units)."""
    hessian, price = form.hessian.double(), price.double()
    factor, _ = torch.linalg.cholesky_ex(hessian + price * torch.eye(len(hessian), dtype=hessian.dtype, device=hessian.device))
    inverse = torch.cholesky_inverse(factor)
    pull, drive = price * inverse, -form.linear.double() @ inverse
    pull, drive = pull.to(form.linear.dtype), drive.to(form.linear.dtype)
    return lambda v: torch.addmm(drive, v, pull)
