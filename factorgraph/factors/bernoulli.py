"""The cross entropy of units that are on or off."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from factorgraph.factors._sums import per_example
from factorgraph.lazy import torch
from factorgraph.spec.expressions import Expression
from factorgraph.structure import Differentiable, Factor, Glyph, Normalised, Parameters, Promise, Smooth

if TYPE_CHECKING:
    from torch import Tensor


class Bernoulli(Factor, Smooth, Normalised):
    r"""Pays for the chance that each unit's logit leaves to the wrong one of on and off.

    .. math:: E(y, l) = \sum_i \log(1 + e^{l_i}) - y_i l_i = -\sum_i y_i \log \sigma(l_i) + (1 - y_i) \log \sigma(-l_i)

    Promises: smooth and convex in the logits while the target stands still, the curvature at most 1/4; differentiable in both.
              Normalised: exp(-E) of the binary targets adds up to 1.
    Needs:    a target between 0 and 1.
    Shapes:   y, l (batch, *shape) -> energy (batch,), summed over *shape*, never averaged.
    Units:    nats; target and logits have none.
    Source:   Cox, J. Royal Statistical Society B 20(2), 1958: the logistic likelihood.
    """

    type: Literal["bernoulli"] = "bernoulli"
    between: tuple[Expression, Expression] = Field(description="the target, then the logits of being on")

    anywhere: ClassVar[bool] = True
    glyph: ClassVar[Glyph] = Glyph(label="H", formula="H({0}, sigmoid({1}))")

    def keeps(self, promise: Promise, moving: frozenset[int]) -> bool:
        return promise is Normalised or issubclass(Smooth if moving == {1} else Differentiable, promise)

    def is_convex(self, moving: frozenset[int]) -> bool:
        return moving == {1}

    def domain(self, position: int) -> str:
        return "binary" if position == 0 else "real"

    def energy(self, *arguments: Tensor) -> Tensor:
        y, logits = arguments
        softplus = torch.nn.functional.softplus
        return per_example(y * softplus(-logits) + (1 - y) * softplus(logits))  # nothing large cancels at either end

    def curvature(self, parameters: Parameters) -> float:
        return 0.25
