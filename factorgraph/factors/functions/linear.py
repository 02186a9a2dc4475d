"""A learned matrix."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from factorgraph.factors._sums import flat
from factorgraph.factors.functions._affine import AffineFunction
from factorgraph.factors.functions._spectrum import norm_bound
from factorgraph.lazy import torch
from factorgraph.spec.constants import Count
from factorgraph.structure import Dense, Parameter, Parameters, Shape, ShapeError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor


class Linear(AffineFunction, Dense):
    r"""Mixes all inputs into each output by a learned matrix.

    .. math:: f(x) = W x + b, \qquad f'(y) = W' y

    A square matrix may be kept ``symmetric`` and ``hollow``: lateral connections that are the same both ways, none to oneself.

    Promises: affine; the bound of its norm is at most 1.7 times too large.
    Shapes:   x (batch, *given), flattened -> (batch, units), which the model gives the shape that it is compared with;
              matrix W (outputs, inputs), bias b (outputs).
    Source:   an elementary function; unit columns after Olshausen & Field, Vision Research 37, 1997.
    """

    examples: ClassVar[tuple[Mapping[str, Any], ...]] = (
        {},
        {"units": (4, 3, 5), "symmetric": True},
        {"units": (4, 3, 5), "symmetric": True, "hollow": True},
    )

    type: Literal["linear"] = "linear"
    units: Count | tuple[Count, ...] | None = Field(
        default=None, description="the outputs, a number or a shape; left out, the shape of what the result is compared with"
    )

    symmetric: bool = Field(default=False, description="keeps the matrix, which is square, equal to its transpose")
    hollow: bool = Field(default=False, description="keeps the diagonal of the matrix, which is square, at 0")

    def constraints(self) -> dict[str, bool]:
        return {**super().constraints(), "symmetric" if self.symmetric else "hollow": self.symmetric or self.hollow}

    def output_shape(self, given: Shape, wanted: Shape | None) -> Shape | None:
        if isinstance(self.units, int):
            return (self.units,)
        if self.units is not None:
            return self.units
        return wanted or None  # a number, (), fits any shape, so it tells nothing

    def parameters(self, given: Shape, result: Shape) -> dict[str, Parameter]:
        outputs, inputs = math.prod(result), math.prod(given)
        if (self.symmetric or self.hollow) and outputs != inputs:
            kept = "symmetric" if self.symmetric else "hollow"
            raise ShapeError(f"has a {kept} matrix, which must be square, and makes {outputs} numbers from {inputs}")
        matrix = self.matrix_parameter((outputs, inputs))
        if self.symmetric:
            matrix = replace(matrix, scale=matrix.scale * 2**0.5)  # its projection takes the mean of two entries
        declared = {"matrix": matrix}
        if self.bias:
            declared["bias"] = self.bias_parameter((outputs,))
        return declared

    def read(self, x: Tensor, parameters: Parameters) -> Tensor:
        return x.reshape(x.shape[0], 1, parameters["matrix"].shape[1])

    def forward(self, x: Tensor, parameters: Parameters) -> Tensor:
        return torch.nn.functional.linear(flat(x), parameters["matrix"], parameters.get("bias"))

    def transpose(self, y: Tensor, parameters: Parameters, given: Shape) -> Tensor:
        return flat(y) @ parameters["matrix"]

    def project(self, parameters: Parameters) -> None:
        super().project(parameters)
        matrix = parameters["matrix"]
        with torch.no_grad():
            if self.symmetric:
                matrix.copy_((matrix + matrix.T) / 2)
            if self.hollow:
                matrix.fill_diagonal_(0)

    def norm_bound(self, parameters: Parameters, given: Shape) -> Tensor:
        return norm_bound(parameters["matrix"])
