"""A learned factor per unit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from factorgraph.factors.functions._unitwise import LearnsByUnit
from factorgraph.structure import Affine, Parameter, Parameters, Shape

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor


class Gain(LearnsByUnit, Affine):
    r"""Multiplies every unit by a learned number of its own: what ``gain: true`` puts behind a function.

    .. math:: f(x)_i = g_i x_i

    Promises: affine; its norm is the largest magnitude of g.
    Shapes:   x (batch, *shape) -> (batch, *shape); scale g (*shape), with ``per_map`` (maps, 1, 1),
              starts at 1.
    Source:   Kavukcuoglu, Ranzato & LeCun, arXiv:1010.3467, section 2, the diagonal gain of the encoder.
    """

    examples: ClassVar[tuple[Mapping[str, Any], ...]] = ({}, {"per_map": True})

    type: Literal["gain"] = "gain"

    def parameters(self, given: Shape, result: Shape) -> dict[str, Parameter]:
        return {"scale": Parameter(self.learned_shape(result), "constant", 1.0)}

    def forward(self, x: Tensor, parameters: Parameters) -> Tensor:
        return x * parameters["scale"]

    def transpose(self, y: Tensor, parameters: Parameters, given: Shape) -> Tensor:
        return y * parameters["scale"]

    def norm_bound(self, parameters: Parameters, given: Shape) -> Tensor:
        return parameters["scale"].detach().abs().amax()
