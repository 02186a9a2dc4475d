"""What functions with a matrix have in common: their options, their start, and the projection onto their constraints."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, model_validator

from factorgraph.lazy import torch
from factorgraph.spec.constants import Positive
from factorgraph.structure import Affine, Function, Parameter, Parameters, Shape, ShapeError
from factorgraph.whole import whole

if TYPE_CHECKING:
    from torch import Tensor

ROWS, COLUMNS = 0, 1  # the axis of the matrix along which rows, columns are counted
LEAST = 1e-15  # the norms between which the squares that they are made of neither vanish
MOST = 1e15  # nor overflow


class AffineFunction(Function, Affine):
    """A function ``A x + b`` that learns ``matrix`` (outputs, inputs, ...) and ``bias``.

    A row is what one output unit reads, a column what one input unit writes. ``gain`` and ``activation`` are functions of their
    own behind this one: whoever builds the graph reads them, the leaf does not.
    """

    stages: ClassVar[tuple[str, ...]] = ("activation", "gain")
    beside: ClassVar[frozenset[str]] = frozenset()  # constraints that can be had together with another

    bias: bool = Field(default=True, description="adds a learned number to every output")
    gain: bool = Field(default=False, description="multiplies every output by a learned factor, after the activation")
    activation: str | None = Field(default=None, description="the type of a function that is applied to every output")
    unit_norm: Literal["rows", "columns"] | None = Field(default=None, description="keeps the norm of each at 1")
    max_row_norm: Positive | None = Field(default=None, description="keeps the norm of each row at or below this")
    max_column_norm: Positive | None = Field(default=None, description="keeps the norm of each column at or below this")
    orthonormal: Literal["rows"] | None = Field(default=None, description="keeps the rows at norm 1 and at right angles")
    init: Literal["auto", "data"] | Positive = Field(
        default="auto", description="how the matrix starts: a deviation; data: rows of training data as columns; auto keeps norms"
    )
    rate: Positive = Field(default=1.0, description="times the learning rate")

    @model_validator(mode="after")
    def _one_constraint(self) -> AffineFunction:
        told = [name for name, is_told in self.constraints().items() if is_told and name not in self.beside]
        if len(told) > 1:
            raise ValueError(f"{' and '.join(told)} exclude each other: keep one of them")
        return self

    def constraints(self) -> dict[str, bool]:
        """Which kinds of constraint the matrix has, by name. It can have one: a projection onto one leaves the other."""
        return {
            "unit_norm": self.unit_norm is not None,
            "orthonormal": self.orthonormal is not None,
            "a bound on norms": self.max_row_norm is not None or self.max_column_norm is not None,
        }

    def column_norms(self) -> tuple[float, float | None] | None:
        told = {name for name, is_told in self.constraints().items() if is_told}
        if self.unit_norm == "columns" and told == {"unit_norm"}:
            return 1.0, 1.0
        if self.max_row_norm is None and told <= {"a bound on norms"}:
            return 0.0, self.max_column_norm
        return None

    def is_bounded(self) -> bool:
        return any(AffineFunction.constraints(self).values())

    def matrix_parameter(self, shape: Shape, linked: float = 1.0) -> Parameter:
        """The declaration of a matrix of a shape (outputs, inputs, ...). Raises :class:`ShapeError` where it cannot be kept.

        ``linked``: the share of its entries that are not held at 0.
        """
        rows, columns = shape[0], math.prod(shape[1:])
        if self.orthonormal and rows > columns:
            raise ShapeError(f"has orthonormal rows, and {rows} of them, more than the {columns} numbers that each one reads")
        if self.init == "data":
            return Parameter(shape, "data", 1.0, self.rate)
        if self.init != "auto":
            return Parameter(shape, "normal", self.init, self.rate)
        size = columns // shape[1] * rows if self.unit_norm == "columns" else columns
        return Parameter(shape, "normal", (linked * size) ** -0.5, self.rate)  # rows, or unit columns, of norm about 1

    def bias_parameter(self, shape: Shape) -> Parameter:
        return Parameter(shape, "constant", 0.0, self.rate)

    def project(self, parameters: Parameters) -> None:
        matrix = parameters["matrix"]
        with torch.no_grad():
            if self.unit_norm is not None:
                normalise_(matrix, ROWS if self.unit_norm == "rows" else COLUMNS)
            if self.orthonormal is not None:
                orthonormalise_(matrix)
            if self.max_row_norm is not None:
                bound_(matrix, ROWS, self.max_row_norm)
            if self.max_column_norm is not None:  # after the rows: it only makes them shorter
                bound_(matrix, COLUMNS, self.max_column_norm)


@whole
def normalise_(matrix: Tensor, axis: int) -> None:
    """Divide each row (axis 0) or column (axis 1) by its norm, in place; one of zeros becomes a fixed unit vector.

    What is not finite stays so: hiding it is not a projection's business.
    """
    others = _others(matrix, axis)
    norms = torch.linalg.vector_norm(matrix, dim=others, keepdim=True)
    if _between(norms, LEAST, MOST):
        matrix.div_(norms)
        return
    largest = matrix.abs().amax(others, keepdim=True)
    matrix.copy_(torch.where(largest == 0, _spread(matrix, axis), matrix))
    matrix.div_(torch.where(largest == 0, 1, largest))  # first by the largest entry, so that squares neither overflow nor vanish
    matrix.div_(torch.linalg.vector_norm(matrix, dim=others, keepdim=True))


@whole
def orthonormalise_(matrix: Tensor) -> None:
    """Move a matrix, in place, to the nearest one with orthonormal rows; rows that depend on each other part in a fixed way.

    It is U V' of the singular value decomposition U S V', in which the signs that a decomposition may choose cancel. What is
    not finite stays so.
    """
    flat = matrix.flatten(1)
    is_finite = flat.isfinite().all()
    safe = torch.where(is_finite, flat, 0)
    largest = safe.abs().amax().clamp_min(torch.finfo(matrix.dtype).tiny)
    left, _, right = torch.linalg.svd(safe / largest, full_matrices=False)
    matrix.copy_(torch.where(is_finite, left @ right, flat).reshape(matrix.shape))


@whole
def bound_(matrix: Tensor, axis: int, limit: float) -> None:
    """Scale down, in place, the rows (axis 0) or columns (axis 1) whose norm is above the limit."""
    others = _others(matrix, axis)
    norms = torch.linalg.vector_norm(matrix, dim=others, keepdim=True)
    least = 0 if limit >= LEAST else LEAST  # what vanishes is below any other limit
    if _between(norms, least, limit):
        return
    if not _between(norms, least, MOST):
        largest = matrix.abs().amax(others, keepdim=True).clamp_min(torch.finfo(matrix.dtype).tiny)
        norms = largest * torch.linalg.vector_norm(matrix / largest, dim=others, keepdim=True)
    matrix.mul_((limit / norms).clamp_max(1))


def _between(norms: Tensor, least: float, most: float) -> bool:
    """Whether all norms are, if the host has them at hand: where it would wait for a device to tell, the answer is no.

    Numpy reads where they lie, so that no operator is spent; what is not finite is not between.
    """
    if norms.device.type != "cpu" or norms.dtype not in (torch.float32, torch.float64):
        return False
    found = norms.numpy()
    return bool(least <= found.min() and found.max() <= most)


def _others(matrix: Tensor, axis: int) -> tuple[int, ...]:
    return tuple(each for each in range(matrix.dim()) if each != axis)


def _spread(matrix: Tensor, axis: int) -> Tensor:
    """The shape of the matrix; each row or column a different unit vector, as far as there are so many."""
    flat = matrix.movedim(axis, 0).flatten(1)
    here = torch.arange(flat.shape[0], device=matrix.device)[:, None] % flat.shape[1]
    there = torch.arange(flat.shape[1], device=matrix.device)
    unit = (here == there).to(matrix.dtype).reshape(matrix.movedim(axis, 0).shape)
    return unit.movedim(0, axis)
