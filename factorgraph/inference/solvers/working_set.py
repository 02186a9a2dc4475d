"""Descent along single units of maps, near each of which nothing else moves."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.inference.convolved import Convolved
from factorgraph.inference.problem import Minimum, Problem
from factorgraph.inference.rows import flat
from factorgraph.inference.solvers import _slices
from factorgraph.inference.solvers._kinds import Compiled, State
from factorgraph.inference.solvers._steps import GENTLE
from factorgraph.kernels import working_set as kernel
from factorgraph.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

MOVES = 5  # in a step, of each neighbourhood


class WorkingSet(Compiled):
    r"""Moves the units behind a convolution, one of each neighbourhood, to where they cost least, and then others.

    .. math:: z_k \leftarrow \operatorname{shrink}(z_k - g_k / h_{kk}, \; w_k / h_{kk}), \qquad
              r \leftarrow m (r - (\bar z_k - z_k) \, d_k)

    with r what is left of the picture where the mask m compares it, d_k the unit's kernel at its place, w the weights of
    magnitudes and g_k = -c d_k.r + a z_k + b_k the gradient of the squares. A move reads and writes the picture under one
    kernel, at the border exactly, too; nothing but the code is as large as the code. Units whose kernels do not meet may move
    at once.

    A step of the compiled kernel lists of each block of 2 x 2 places the unit that lowers the energy most, and sweeps five times
    over the list, which units that are zero again leave; what is listed is found by a correlation of the whole picture, which
    certifies the code as well. Pictures, or bands of one, are taken by as many threads as torch has, with the same bits for any
    number. Where it does not serve, a step is five moves of every neighbourhood in torch, much slower than ``fista``. Both end at
    the certificate of the tolerance, and not at the same bits.

    Needs:    squares, all of which that read functions are one behind one convolution of stride 1 and selections of its result;
              beside them a weight on the magnitude of each unit.
    Shapes:   z (batch, maps, rows, columns), r (batch, colours, height, width).
    Source:   Kavukcuoglu et al., NIPS 2010, algorithm 1; one unit of each neighbourhood: Moreau, Oudre & Vayatis, ICML 2018.
    """

    type: Literal["working_set"] = "working_set"

    needs: ClassVar[frozenset[str]] = frozenset(
        {"bounded", "convex", "quadratic", "shared", "proximal", "magnitudes", "gap", "convolved"}
    )
    uses: ClassVar[frozenset[str]] = frozenset({"differentiable", "bounded", "convex", "proximal", "gap", "convolved"})
    domains: ClassVar[frozenset[str]] = frozenset({"real", "nonnegative"})
    convolves: ClassVar[Literal["", "fourier", "slices"]] = "slices"
    compiled: ClassVar[str] = kernel.NAME

    def search(self, problem: Problem, steps: int, tolerance: float) -> Minimum | None:
        if not (problem.compiled and problem.squares and problem.start.device.type == "cpu"):
            return None
        form, rest = _form(problem), problem.rest
        assert rest is not None and rest.l1 is not None, "it needs magnitudes"
        weight = rest.l1.expand(problem.start.shape[1:]).reshape(form.shape[0], -1)
        if bool((weight == weight[:, :1]).all()):
            weight = weight[:, 0]
        if not bool((weight > 0).all()):  # without a gap the residual judges, step by step
            return None
        root = form.curvature.sqrt()
        found = kernel.search(
            form.kernels * root,
            form.framed(form.mask),
            form.framed(form.target * root),
            form.own,
            form.linear if bool(form.linear.any()) else None,
            form.constant,
            weight.reshape(-1),
            form.maps(problem.start),
            rest.nonnegative,
            steps,
            tolerance,
        )
        if found is None:
            return None
        return Minimum(found.code.view(problem.start.shape), found.status, found.steps, found.certificate)

    def begin(self, problem: Problem) -> State:
        z = problem.start.clone(memory_format=torch.contiguous_format)
        return z, _form(problem).gradient(flat(z))

    def stepper(self, problem: Problem) -> Callable[[State], State]:
        form, rest = _form(problem), problem.rest
        assert rest is not None and rest.l1 is not None, "it needs magnitudes"
        curvature = _slices.curvature(form).clamp_min(GENTLE)
        threshold = flat(rest.l1.expand_as(problem.start)) / curvature
        least = 0.0 if rest.nonnegative else -torch.inf
        kernels, mask = form.kernels.transpose(0, 1).contiguous(), form.framed(form.mask * form.curvature)

        def step(state: State) -> State:
            code, gradient = state
            z = flat(code)
            for _ in range(MOVES):
                reached = torch.addcdiv(z, gradient, curvature, value=-1)
                moves = (reached - reached.clamp(-threshold, threshold)).clamp_min(least) - z
                moves = moves * _apart(form, moves.square() * curvature)
                drawn = torch.nn.functional.conv_transpose2d(form.maps(moves), kernels) * mask
                z = z + moves
                gradient = gradient + form.own * moves + flat(torch.nn.functional.conv2d(drawn, kernels))
            return z.view(code.shape), gradient

        return step

    def inverse_step(self, problem: Problem, state: State) -> Tensor:
        return _form(problem).diagonal.sum()


def _form(problem: Problem) -> Convolved:
    assert problem.convolved is not None, "units move along kernels"
    return problem.convolved


def _apart(form: Convolved, worth: Tensor) -> Tensor:
    """(batch, units): ones at units that are worth most of all whose kernels meet theirs; of equals the last, zeros elsewhere."""
    side = form.kernels.shape[-1]

    def most(x: Tensor) -> Tensor:  # around each place
        return torch.nn.functional.max_pool2d(x, 2 * side - 1, 1, side - 1)

    best, which = form.maps(worth).max(1, keepdim=True)
    winning = (best >= most(best)) & (best > 0)
    places = torch.arange(1, best[0].numel() + 1, dtype=best.dtype, device=best.device).reshape(best.shape[1:]) * winning
    chosen = winning & (places == most(places))
    return torch.zeros_like(form.maps(worth)).scatter_(1, which, chosen.to(worth.dtype)).reshape(worth.shape)
