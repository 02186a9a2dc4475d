"""Shrinkage with learned thresholds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from factorgraph.factors.functions._unitwise import LearnsByUnit
from factorgraph.lazy import torch
from factorgraph.structure import Parameter, Parameters, Saturating, Shape

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

START = 0.0  # of every threshold: however small the data, no unit starts silent, and a silent one never learns


class Shrink(LearnsByUnit, Saturating):
    r"""Silences what is small and moves the rest towards zero by its threshold, one for each unit.

    .. math:: f(x)_i = \operatorname{sign}(x_i)\max(|x_i| - b_i, 0), \qquad b_i \ge 0

    Promises: differentiable but where |x| is the threshold; flat within.
    Shapes:   x (batch, *shape) -> (batch, *shape), unit by unit; threshold b (*shape), with ``per_map``
              (maps, 1, 1), learned, kept at 0 or above.
    Source:   Gregor & LeCun, ICML 2010, equation 2.
    """

    examples: ClassVar[tuple[Mapping[str, Any], ...]] = ({}, {"per_map": True})

    type: Literal["shrink"] = "shrink"

    def parameters(self, given: Shape, result: Shape) -> dict[str, Parameter]:
        return {"threshold": Parameter(self.learned_shape(result), "constant", START)}

    def forward(self, x: Tensor, parameters: Parameters) -> Tensor:
        threshold = parameters["threshold"].clamp_min(0)
        return x.sign() * torch.relu(x.abs() - threshold)  # unlike x - clamp(x, -b, b), it has both gradients where b is 0

    def to_flat(self, x: Tensor, parameters: Parameters) -> Tensor:
        return torch.relu(x.abs() - parameters["threshold"].clamp_min(0))

    def project(self, parameters: Parameters) -> None:
        with torch.no_grad():
            parameters["threshold"].clamp_min_(0)
