"""A learned number added to every unit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from factorgraph.factors.functions._unitwise import LearnsByUnit
from factorgraph.lazy import torch
from factorgraph.structure import Affine, Parameter, Parameters, Shape

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor


class Offset(LearnsByUnit, Affine):
    r"""Moves every unit by a learned number of its own: what a transposed function lacks, which has no bias.

    .. math:: f(x)_i = g_i x_i + b_i, \qquad f'(y)_i = g_i y_i

    Promises: affine; its norm is the largest magnitude of g, 1 without gain.
    Shapes:   x (batch, *shape) -> (batch, *shape); bias b (*shape), starts at 0; with gain, scale g (*shape), starts at 1.
              With ``per_map`` both are (maps, 1, 1).
    Source:   an elementary function.
    """

    examples: ClassVar[tuple[Mapping[str, Any], ...]] = ({}, {"gain": True}, {"gain": True, "per_map": True})

    type: Literal["offset"] = "offset"
    gain: bool = Field(default=False, description="multiplies every unit by a learned number, before the other is added")

    def parameters(self, given: Shape, result: Shape) -> dict[str, Parameter]:
        declared = {"bias": Parameter(self.learned_shape(result), "constant", 0.0)}
        if self.gain:
            declared["scale"] = Parameter(self.learned_shape(result), "constant", 1.0)
        return declared

    def forward(self, x: Tensor, parameters: Parameters) -> Tensor:
        return self._scaled(x, parameters) + parameters["bias"]

    def transpose(self, y: Tensor, parameters: Parameters, given: Shape) -> Tensor:
        return self._scaled(y, parameters)

    def norm_bound(self, parameters: Parameters, given: Shape) -> Tensor:
        return parameters["scale"].detach().abs().amax() if self.gain else torch.ones((), device=parameters["bias"].device)

    def _scaled(self, x: Tensor, parameters: Parameters) -> Tensor:
        return x * parameters["scale"] if self.gain else x
