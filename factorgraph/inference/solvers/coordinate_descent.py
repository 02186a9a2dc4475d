"""Descent along one unit at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from factorgraph.inference.problem import Problem
from factorgraph.inference.rows import flat
from factorgraph.inference.solvers._kinds import State
from factorgraph.inference.solvers._steps import GENTLE, step_length
from factorgraph.inference.solvers._units import mover
from factorgraph.inference.solvers._unrolled import Layer, Unrollable
from factorgraph.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor


class CoordinateDescent(Unrollable):
    r"""Moves one unit of each example to where it costs least, the others held, and then another.

    .. math:: \bar z_j = \operatorname{shrink}(z_j - g_j / h_{jj}, \; w_j / h_{jj}), \qquad
              z_k \leftarrow \bar z_k, \quad g \leftarrow g + (\bar z_k - z_k) h_k

    with g = H z + b the gradient of the quadratic part, h_k a column of H and w the weights of magnitudes; for nonnegative units
    negative results become 0. *greedy* takes the unit with the largest h_kk (zbar_k - z_k)^2 / 2, by which the energy falls at
    least: with unit columns the one that moves farthest. *cyclic* takes them in their order.

    A step is one unit of each example: it costs a column of H, not a product with H, and ``steps: 100`` moves a hundred units,
    however many there are. Greedy steps are few where codes are sparse; give some for each unit that will be active.

    Behind a convolution, by the kernel *slices*, a column is the kernel that moved, as the mask leaves it, correlated with all
    others: the gradient changes around the unit and nowhere else.

    Needs:    a quadratic, convex smooth part with one Hessian for all examples, at most 4096 units, or any number
              behind one convolution of stride 1 and selections of its result; beside it magnitudes alone, as of l1, or nothing.
    Shapes:   z (batch, *shape), g (batch, units), H (units, units); each row has its own unit.
    Source:   Li & Osher, Inverse Problems Imaging 3(3), 2009, for unit columns, as in Gregor & LeCun, ICML 2010; other columns:
              Nutini et al., ICML 2015, the Gauss-Southwell-Lipschitz rule; convolutions Kavukcuoglu et al.,
              NIPS 2010, algorithm 1.
    """

    type: Literal["coordinate_descent"] = "coordinate_descent"
    order: Literal["greedy", "cyclic"] = Field(default="greedy", description="which unit of an example moves next")

    needs: ClassVar[frozenset[str]] = frozenset({"bounded", "convex", "quadratic", "shared", "settled", "magnitudes"})
    uses: ClassVar[frozenset[str]] = frozenset({"proximal"})
    domains: ClassVar[frozenset[str]] = frozenset({"real", "nonnegative"})
    largest: ClassVar[int | None] = 4096
    convolves: ClassVar[Literal["", "fourier", "slices"]] = "slices"
    compares: ClassVar[bool] = True
    finishes: ClassVar[bool] = True

    def begin(self, problem: Problem) -> State:
        z = problem.start.clone(memory_format=torch.contiguous_format)
        form = problem.quadratic or problem.convolved
        assert form is not None, "one unit moves along a column, whether it is written down or not"
        gradient = form.gradient(flat(z))
        return (z, gradient) if self.order == "greedy" else (z, gradient, torch.zeros_like(gradient[:, :1], dtype=torch.int64))

    def stepper(self, problem: Problem) -> Callable[[State], State]:
        move, units = mover(problem)

        def step(state: State) -> State:
            code, gradient, *turn = state
            z, gradient = move(flat(code), gradient, *(turn or (None,)))
            return (z.view(code.shape), gradient, *((each + 1) % units for each in turn))

        return step

    def inverse_step(self, problem: Problem, state: State) -> Tensor:
        return 1 / step_length(problem)

    def chooses(self) -> str:
        return "one unit: the farthest" if self.order == "greedy" else "one unit: the next"

    def lengths(self, hessian: Tensor, bound: Tensor) -> Tensor:
        return 1 / hessian.diagonal().clamp_min(GENTLE)

    def products(self, steps: float, from_zero: bool, units: int) -> float:
        return steps / units  # a column each

    def unroll(self, start: Tensor, layers: Sequence[Layer]) -> Tensor:
        z, reached, columns = start, layers[0].reach(start), layers[0].inhibition.T.contiguous()
        for turn, layer in enumerate(layers):
            if layer is not layers[turn - 1]:
                reached, columns = layer.reach(z), layer.inhibition.T.contiguous()
            moves = layer.shrink(reached) - z
            unit = self._unit(moves.detach(), layer.lengths, turn)
            moved = moves.gather(1, unit)
            z = z.scatter_add(1, unit, moved)
            reached = reached + moved * columns.index_select(0, unit.squeeze(1))
        return layers[-1].shrink(reached)

    def _unit(self, moves: Tensor, lengths: Tensor | None, turn: int) -> Tensor:
        """(batch, 1): the unit of each example that moves next."""
        assert lengths is not None, "units are compared by their step lengths"
        if self.order == "greedy":
            return (moves.square() / lengths).argmax(1, keepdim=True)
        return torch.full_like(moves[:, :1], turn % moves.shape[1], dtype=torch.int64)
