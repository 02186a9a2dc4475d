"""How much a square matrix enlarges volumes."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from factorgraph.lazy import torch
from factorgraph.spec.expressions import Expression
from factorgraph.structure import Differentiable, Factor, Glyph, Shape, ShapeError

if TYPE_CHECKING:
    from torch import Tensor


class LogDet(Factor, Differentiable):
    r"""The logarithm of how much a matrix enlarges volumes: with a weight of -1 it is what a density of W y takes for its norm.

    .. math:: E = \log |\det W|

    The energy :math:`\sum_j \phi(w_j' y) - \log |\det W|` has the same partition function for every W: what is low at the data is
    higher elsewhere, and W = 0 costs without end.

    Promises: differentiable where the matrix is not singular. No variable moves it: it is the same for every sample.
    Needs:    a function with a square matrix, such as a linear one from a variable to as many units.
    Shapes:   W (units, units) -> a number, the energy of every sample.
    Units:    nats.
    Source:   Bell & Sejnowski, Neural Computation 7(6), 1995; Hyvarinen & Oja, Neural Networks 13, 2000, section 4.4.
    """

    type: Literal["log_det"] = "log_det"
    of: Expression = Field(description="the name of a function, whose matrix is meant")

    additive: ClassVar[bool] = False
    of_matrix: ClassVar[bool] = True
    normalises: ClassVar[bool] = True
    glyph: ClassVar[Glyph] = Glyph(label="log det", formula="log |det {0}|")

    def check(self, *shapes: Shape) -> None:
        (shape,) = shapes
        if len(shape) != 2 or shape[0] != shape[1]:
            raise ShapeError(f"takes the determinant of a square matrix, and this one is {list(shape)}")

    def energy(self, *arguments: Tensor) -> Tensor:
        (matrix,) = arguments
        found: Tensor = torch.linalg.slogdet(matrix).logabsdet
        return found
