"""Noise that is there only while learning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from factorgraph.factors.functions._unitwise import UnitByUnit
from factorgraph.lazy import torch
from factorgraph.spec.constants import NonNegative
from factorgraph.structure import Cornerless, Parameters

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor


class Corrupt(UnitByUnit, Cornerless):
    r"""Spoils its argument while learning, so that what is made of it must lead back; afterwards it passes it on as it is.

    .. math:: \tilde x = x + \sigma n, \qquad \tilde x_i = m_i x_i,\ P(m_i = 0) = a, \qquad
              P(\tilde x_i = 0) = P(\tilde x_i = 1) = \tfrac a 2

    Gaussian noise of deviation ``amount``; a mask silences that share of the units; salt and pepper make it 0 or 1.

    Promises: differentiable; drawn anew for each step and each place where it is applied. Learns nothing.
    Shapes:   x (batch, *shape) -> (batch, *shape), unit by unit.
    Units:    those of x; salt and pepper are meant for values from 0 to 1.
    Source:   Vincent, Larochelle, Bengio & Manzagol, ICML 2008, section 2.3; Vincent et al., JMLR 11, 2010, section 3.3.
    """

    examples: ClassVar[tuple[Mapping[str, Any], ...]] = (
        {"amount": 0.3},
        {"kind": "mask", "amount": 0.3},
        {"kind": "salt_pepper", "amount": 0.3},
    )

    type: Literal["corrupt"] = "corrupt"
    kind: Literal["gaussian", "mask", "salt_pepper"] = Field(default="gaussian", description="what is done to units")
    amount: NonNegative = Field(description="the deviation of the noise; of the others the share of units, at most 1")

    learns_apart: ClassVar[bool] = True

    @model_validator(mode="after")
    def _share(self) -> Self:
        if self.kind != "gaussian" and self.amount > 1:
            raise ValueError(f"amount is {self.amount:g}: of a {self.kind} it is a share of the units, at most 1")
        return self

    def spoils(self) -> bool:
        return self.amount > 0

    def forward(self, x: Tensor, parameters: Parameters) -> Tensor:
        return x

    def learn(self, x: Tensor, parameters: Parameters, random: torch.Generator) -> tuple[Tensor, Parameters]:
        if self.kind == "gaussian":
            return x + self.amount * torch.empty_like(x).normal_(generator=random), {}
        chance = torch.empty_like(x).uniform_(generator=random)
        kept = torch.where(chance < self.amount, 0.0, x)
        return (kept if self.kind == "mask" else torch.where(chance < self.amount / 2, 1.0, kept)), {}
