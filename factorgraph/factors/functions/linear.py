"""A learned matrix."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from factorgraph.factors.functions._affine import AffineFunction
from factorgraph.factors.functions._spectrum import norm_bound
from factorgraph.lazy import torch
from factorgraph.spec.constants import Count
from factorgraph.structure import Parameter, Parameters, Shape

if TYPE_CHECKING:
    from torch import Tensor


class Linear(AffineFunction):
    r"""Mixes all inputs into each output by a learned matrix.

    .. math:: f(x) = W x + b, \qquad f'(y) = W' y

    Promises: affine; the bound of its norm is at most 1.7 times too large.
    Shapes:   x (batch, *given), flattened -> (batch, units), which the model gives the shape that it is compared with;
              matrix W (outputs, inputs), bias b (outputs).
    Source:   an elementary function; unit columns after Olshausen & Field, Vision Research 37, 1997.
    """

    type: Literal["linear"] = "linear"
    units: Count | tuple[Count, ...] | None = Field(
        default=None, description="the outputs, a number or a shape; left out, the shape of what the result is compared with"
    )

    def output_shape(self, given: Shape, wanted: Shape | None) -> Shape | None:
        if isinstance(self.units, int):
            return (self.units,)
        if self.units is not None:
            return self.units
        return wanted or None  # a number, (), fits any shape, so it tells nothing

    def parameters(self, given: Shape, result: Shape) -> dict[str, Parameter]:
        outputs, inputs = math.prod(result), math.prod(given)
        declared = {"matrix": self.matrix_parameter((outputs, inputs))}
        if self.bias:
            declared["bias"] = self.bias_parameter((outputs,))
        return declared

    def forward(self, x: Tensor, parameters: Parameters) -> Tensor:
        flat = x.reshape(x.shape[0], parameters["matrix"].shape[1])
        return torch.nn.functional.linear(flat, parameters["matrix"], parameters.get("bias"))

    def transpose(self, y: Tensor, parameters: Parameters) -> Tensor:
        return y.reshape(y.shape[0], parameters["matrix"].shape[0]) @ parameters["matrix"]

    def norm_bound(self, parameters: Parameters) -> Tensor:
        return norm_bound(parameters["matrix"])
