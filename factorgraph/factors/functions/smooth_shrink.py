"""Shrinkage without a corner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from factorgraph.factors.functions._unitwise import LearnsByUnit
from factorgraph.lazy import torch
from factorgraph.structure import Cornerless, Parameter, Parameters, Shape

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

SHARPNESS, THRESHOLD = 10.0, 0.1  # at the start: a slope of 1/e at 0, and the threshold that shrink starts at
BLUNTEST = 0.01  # below this sharpness the curve is the identity, whatever its threshold


class SmoothShrink(LearnsByUnit, Cornerless):
    r"""Flattens what is small and moves the rest towards zero by its threshold, with a bend in place of a corner.

    .. math:: f(x) = \operatorname{sign}(x)\Bigl(\frac{1}{s} \log\bigl(e^{s b} + e^{s |x|} - 1\bigr) - b\Bigr)

    It is odd; its slope is exp(-s b) at 0 and nears 1 far away, where f(x) nears x - b or x + b. A large sharpness s makes it
    ``shrink``. The slope at 0 never vanishes, so that a silent unit goes on learning; nothing is exactly zero.

    Promises: differentiable everywhere, at 0 as well.
    Shapes:   x (batch, *shape) -> (batch, *shape), unit by unit; sharpness s and threshold b (*shape), with
              ``per_map`` (maps, 1, 1). Kept at s >= 0.01 and b >= 0.
    Source:   Kavukcuoglu et al., NIPS 2010, equation 5, with the last term inside the bracket: as printed it is not odd.
    """

    examples: ClassVar[tuple[Mapping[str, Any], ...]] = ({}, {"per_map": True})

    type: Literal["smooth_shrink"] = "smooth_shrink"

    def parameters(self, given: Shape, result: Shape) -> dict[str, Parameter]:
        shape = self.learned_shape(result)
        return {"sharpness": Parameter(shape, "constant", SHARPNESS), "threshold": Parameter(shape, "constant", THRESHOLD)}

    def forward(self, x: Tensor, parameters: Parameters) -> Tensor:
        s, b = parameters["sharpness"].clamp_min(BLUNTEST), parameters["threshold"].clamp_min(0)
        sign = torch.where(x < 0, -1.0, 1.0).to(x.dtype)  # 1 at 0, where abs and sign would lose the slope
        size = sign * x
        small, large = torch.where(size < b, size, b), torch.where(size < b, b, size)
        # exp(s large) taken out of the logarithm, so that nothing overflows, and what is left of it kept by expm1 near 0
        rest = torch.log1p(-torch.exp(s * (small - large)) * torch.expm1(-s * small))
        return sign * (large - b + rest / s)

    def project(self, parameters: Parameters) -> None:
        with torch.no_grad():
            parameters["sharpness"].clamp_min_(BLUNTEST)
            parameters["threshold"].clamp_min_(0)
