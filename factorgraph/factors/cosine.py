"""The cosine of the angle between two values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from factorgraph.factors._sums import alike, flat
from factorgraph.lazy import torch
from factorgraph.spec.constants import Positive
from factorgraph.spec.expressions import Expression
from factorgraph.structure import Differentiable, Factor, Glyph

if TYPE_CHECKING:
    from torch import Tensor


class Cosine(Factor, Differentiable):
    r"""Compares the directions of two values, whatever their lengths; a negative weight makes them line up.

    .. math:: E(a, b) = \frac{a' b}{\|a\| \|b\| + \epsilon}

    Promises: differentiable; neither convex nor a sum over units: it lies between -1 and 1 for any number of units.
    Shapes:   a, b (batch, *shape) -> energy (batch,), the angle in the space of all units.
    Units:    none. A value of zeros has no direction: its cosine with anything is 0.
    Source:   Goroshin, Mathieu & LeCun, NIPS 28, 2015, equation 3, the curvature of a path of codes.
    """

    examples: ClassVar[tuple[Mapping[str, Any], ...]] = ({}, {"epsilon": 0.37})

    type: Literal["cosine"] = "cosine"
    between: tuple[Expression, Expression] = Field(description="the two values whose directions are compared")
    epsilon: Positive = Field(1e-8, description="keeps the quotient finite where a value is zero; in the square of their unit")

    additive: ClassVar[bool] = False
    glyph: ClassVar[Glyph] = Glyph(label="cos", formula="cos({0}, {1})")

    def energy(self, *arguments: Tensor) -> Tensor:
        a, b = (flat(each) for each in alike(*arguments))
        lengths = torch.linalg.vector_norm(a, dim=1) * torch.linalg.vector_norm(b, dim=1)
        cosine: Tensor = (a * b).sum(1) / (lengths + self.epsilon)
        return cosine
