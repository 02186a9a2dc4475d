"""What the optimizers of torch.optim have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from factorgraph.lazy import torch
from factorgraph.spec.constants import Share
from factorgraph.structure import Optimizer

if TYPE_CHECKING:
    import torch as real_torch

Beta = Annotated[Share, Field(lt=1)]  # a decay of a running mean: 1 would never forget


class TorchOptimizer(Optimizer):
    """An optimizer of torch.optim by its name; its fields are that class's arguments."""

    torch_name: ClassVar[str]

    def build(self, groups: list[dict[str, Any]], learning_rate: float) -> real_torch.optim.Optimizer:
        options = {name: getattr(self, name) for name in type(self).model_fields if name != "type"}
        made: real_torch.optim.Optimizer = getattr(torch.optim, self.torch_name)(groups, lr=learning_rate, **options)
        return made
