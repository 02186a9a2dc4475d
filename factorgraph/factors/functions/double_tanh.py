"""Two steps beside each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from factorgraph.factors.functions._unitwise import LearnsByUnit
from factorgraph.lazy import torch
from factorgraph.structure import Cornerless, Parameter, Parameters, Shape

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

START = 1.0  # of every u: at 0 its gradient vanishes, and it would never leave


class DoubleTanh(LearnsByUnit, Cornerless):
    r"""Rises in two steps, at -u and u, with a flat between them: a shrinkage that saturates.

    .. math:: f(x)_i = \tanh(x_i + u_i) + \tanh(x_i - u_i)

    Promises: differentiable.
    Shapes:   x (batch, *shape) -> (batch, *shape), unit by unit; place u (*shape), with ``per_map``
              (maps, 1, 1), learned, starts at 1; its sign is free.
    Source:   Gregor & LeCun, ICML 2010, the baseline encoder D(tanh(x + u) + tanh(x - u)).
    """

    examples: ClassVar[tuple[Mapping[str, Any], ...]] = ({}, {"per_map": True})

    type: Literal["double_tanh"] = "double_tanh"

    def parameters(self, given: Shape, result: Shape) -> dict[str, Parameter]:
        return {"place": Parameter(self.learned_shape(result), "constant", START)}

    def is_limited(self) -> bool:
        return True

    def forward(self, x: Tensor, parameters: Parameters) -> Tensor:
        return torch.tanh(x + parameters["place"]) + torch.tanh(x - parameters["place"])
