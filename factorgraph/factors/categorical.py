"""The learned odds of a choice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from factorgraph.factors._sums import flat, per_example
from factorgraph.lazy import torch
from factorgraph.spec.expressions import Expression
from factorgraph.structure import Estimated, Factor, Glyph, Linear, Normalised, Parameter, Parameters, Shape

if TYPE_CHECKING:
    from torch import Tensor


class Categorical(Factor, Linear, Normalised, Estimated):
    r"""Says how likely each choice is before anything is seen: its share among all samples is learned.

    .. math:: E(z) = -z' \log \operatorname{softmax}(c)

    Promises: linear in z. Normalised: exp(-E) of the one-hot z adds up to 1. Estimated: the shares are those of what was chosen;
              of what never was, next to none.
    Needs:    z one-hot, or a distribution over the choices.
    Shapes:   z (batch, *shape) -> energy (batch,). All units together are the choices; logits c (*shape) are
              learned, from equal odds.
    Units:    nats.
    Source:   Dempster, Laird & Rubin, J. Royal Statistical Society B 39(1), 1977, section 4.3: the shares of a mixture.
    """

    type: Literal["categorical"] = "categorical"
    of: Expression = Field(description="the choice, one-hot")

    convex: ClassVar[bool] = True
    additive: ClassVar[bool] = False
    anywhere: ClassVar[bool] = True
    glyph: ClassVar[Glyph] = Glyph(label="−log p", formula="−log p({0})")

    def domain(self, position: int) -> str:
        return "one_hot"

    def is_bounded_below(self, nonnegative: frozenset[int]) -> bool:
        return True  # by 0: a choice has a probability

    def parameters(self, *shapes: Shape) -> dict[str, Parameter]:
        return {"logits": Parameter(shapes[0], "constant", 0.0)}

    def energy(self, *arguments: Any) -> Tensor:
        z, parameters = arguments
        logits = parameters["logits"]
        return -per_example(z * torch.log_softmax(logits.reshape(-1), 0).reshape(logits.shape))

    def curvature(self, parameters: Parameters) -> float:
        return 0.0

    def statistics(self, *arguments: Tensor, weight: Tensor) -> dict[str, Tensor]:
        (z,) = arguments
        return {"chosen": (weight.double() @ flat(z).double()).reshape(z.shape[1:])}

    def estimate(self, sums: Mapping[str, Tensor], parameters: Parameters, explained: Tensor | float = 0.0) -> dict[str, Tensor]:
        before, chosen = parameters["logits"], sums["chosen"]
        least = torch.finfo(before.dtype).tiny  # whose logarithm is a number
        shares = chosen / chosen.sum().clamp_min(least)
        return {"logits": torch.where(chosen.sum() == 0, before, shares.clamp_min(least).log().to(before.dtype))}
