"""The cross entropy between a choice and the odds of all choices."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from factorgraph.factors._sums import flat
from factorgraph.lazy import torch
from factorgraph.spec.expressions import Expression
from factorgraph.structure import Differentiable, Factor, Glyph, Normalised, Parameters, Promise, Shape, ShapeError, Smooth

if TYPE_CHECKING:
    from torch import Tensor


class CrossEntropy(Factor, Smooth, Normalised):
    r"""Pays for the chance that a classifier leaves to all but the right one of several choices.

    .. math:: E(y, l) = -\sum_i y_i \log \operatorname{softmax}(l)_i = \log \sum_i e^{l_i} - y' l \text{ where } \sum_i y_i = 1

    Promises: smooth and convex in the logits while the target stands still, the curvature at most 1/2, if the target is known to
              be a choice: by its variable's domain, one_hot or simplex, or as the result of softmax; else differentiable alone.
              Normalised: exp(-E) of the one-hot targets adds up to 1.
    Needs:    a target that is one-hot or a distribution over the choices.
    Shapes:   y, l (batch, *shape) -> energy (batch,). All units together are the choices; there are two at least.
    Units:    nats; target and logits have none.
    Errors:   one unit alone, which is no choice: bernoulli is for it; a number as target or logits.
    Source:   Bridle, Neurocomputing (NATO ASI F68), 1990: softmax and the logarithm of the chance of the right choice.
    """

    type: Literal["cross_entropy"] = "cross_entropy"
    between: tuple[Expression, Expression] = Field(description="the target, then the logits of the choices")

    additive: ClassVar[bool] = False
    glyph: ClassVar[Glyph] = Glyph(label="H", formula="H({0}, softmax({1}))")

    def keeps(self, promise: Promise, moving: frozenset[int]) -> bool:
        return promise is Normalised or issubclass(Smooth if moving == {1} else Differentiable, promise)

    def is_convex(self, moving: frozenset[int]) -> bool:
        return moving == {1}

    def domain(self, position: int) -> str:
        return "simplex" if position == 0 else "real"

    def check(self, *shapes: Shape) -> None:
        super().check(*shapes)
        if any(math.prod(shape) < 2 for shape in shapes):
            raise ShapeError("compares choices, and one unit is none: bernoulli is for one unit")

    def energy(self, *arguments: Tensor) -> Tensor:
        target, logits = arguments
        return -(flat(target) * torch.log_softmax(flat(logits), 1)).sum(1)

    def curvature(self, parameters: Parameters) -> float:
        return 0.5
