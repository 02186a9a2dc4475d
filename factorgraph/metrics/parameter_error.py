"""How far learned parameters are from the true ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.errors import RunError, issue
from factorgraph.metrics._base import Kind, MetricLeaf

if TYPE_CHECKING:
    from factorgraph.run.measured import Measured


class ParameterError(MetricLeaf):
    """The root mean square difference between a function's matrix and the true parameters of generated data.

    Entries that the truth leaves out, such as the diagonal of a machine's ties, do not count. Raises RunError FG632 where the
    matrix is of another shape.
    """

    type: Literal["parameter_error"] = "parameter_error"

    arguments: ClassVar[tuple[Kind, ...]] = ("function",)
    of_source: ClassVar[str] = "truth"

    def measure(self, on: Measured, function: str) -> float:
        matrix, truth = on.matrix(function).double(), on.truth().double().T
        if matrix.shape != truth.shape:
            text = f"the matrix of {function!r} is {list(matrix.shape)}, and the true parameters are {list(truth.shape)}"
            raise RunError(issue("FG632", text, fix="ask this of a function whose parameters the data were made with"))
        return float((matrix - truth)[truth != 0].square().mean().sqrt())
