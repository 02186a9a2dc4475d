"""How much one unit receives."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.errors import RunError, issue
from factorgraph.lazy import torch
from factorgraph.metrics._base import Kind, MetricLeaf

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.run.measured import Measured


class RowNorm(MetricLeaf):
    """The Euclidean norm of each row of a square matrix less the identity: how much a unit gets from others. One figure a unit.

    Of the inhibition of a procedure, ``row_norm(recurrent.inhibition, identity)``, the identity is what keeps a unit as it is.

    Errors: a matrix that is not square.
    """

    type: Literal["row_norm"] = "row_norm"

    arguments: ClassVar[tuple[Kind, ...]] = ("function", "identity")
    per_unit: ClassVar[bool] = True

    def measure(self, on: Measured, function: str, identity: str) -> Tensor:
        matrix = on.matrix(function).double()
        if matrix.dim() != 2 or matrix.shape[0] != matrix.shape[1]:
            text = f"the matrix of {function!r} has the shape {list(matrix.shape)}, and an identity is square"
            raise RunError(issue("FG632", text, fix="ask for the inhibition of an unrolled procedure"))
        norms: Tensor = (matrix - torch.eye(len(matrix), dtype=matrix.dtype)).norm(dim=1)
        return norms
