"""Zero mean and unit deviation over the batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from factorgraph.lazy import torch
from factorgraph.structure import Differentiable, Function, Parameters, Shape, ShapeError

if TYPE_CHECKING:
    from torch import Tensor

FLOOR = 1e-8  # added to variances: a unit that never varies stays at zero


class Standardise(Function, Differentiable):
    r"""Subtracts each unit's mean over the batch and divides by its deviation: its own, or those of a second argument.

    .. math:: f(x, y)_i = \frac{x_i - \langle y_i \rangle}{\sqrt{\langle (y_i - \langle y_i \rangle)^2 \rangle + 10^{-8}}},
              \qquad f(x) = f(x, x)

    Promises: differentiable; the rows of a batch change each other, also after learning, so that no search goes through it.
    Needs:    while learning, two samples.
    Shapes:   x, y (batch, *shape) -> (batch, *shape); the averages run over the batch alone.
    Units:    the result has none.
    Source:   Rasmus, Valpola, Honkala, Berglund & Raiko, arXiv:1507.02672, section 3, without the learned scale and shift.
    """

    type: Literal["standardise"] = "standardise"

    by_row: ClassVar[bool] = False
    joins: ClassVar[bool] = False
    learns_apart: ClassVar[bool] = True  # only to tell that a batch of one cannot be learned from

    def output_shape(self, given: Shape, wanted: Shape | None) -> Shape | None:
        return given

    def input_shape(self, result: Shape) -> Shape | None:
        return result

    def method_shape(self, method: str, given: tuple[Shape | None, ...]) -> Shape | None:
        if len(given) > 2:
            raise ShapeError(f"takes one value, or a second one whose mean and deviation it uses, not {len(given)}")
        first, second = given[0], given[-1]
        if first is not None and second is not None and first != second:
            raise ShapeError(f"takes the mean and the deviation of {list(second)}, which do not fit {list(first)}")
        return first if first is not None else second

    def forward(self, x: Tensor, *rest: Any) -> Tensor:
        of: Tensor = rest[0] if len(rest) > 1 else x  # the parameters come last
        mean = of.mean(0)
        variance = (of - mean).square().mean(0)
        return (x - mean) / torch.sqrt(variance + FLOOR)

    def learn(self, x: Tensor, *rest: Any) -> tuple[Tensor, Parameters]:
        if x.shape[0] < 2:
            raise ShapeError("standardises over the batch, and one sample has no deviation from itself")
        return self.forward(x, *rest[:-1]), {}
