"""Steps along gradients, each divided by the running mean of its parameter's curvature."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor


class Newton(torch.optim.Optimizer):
    """``gather`` the curvatures of a batch before each step."""

    def __init__(self, groups: list[dict[str, Any]], learning_rate: float, damping: float, decay: float):
        super().__init__(groups, {"lr": learning_rate, "damping": damping, "decay": decay})
        for each, _ in self._parameters():
            self.state[each] = {"step": torch.zeros(()), "curvature": torch.zeros_like(each)}

    @property
    def has_begun(self) -> bool:
        """Whether there are curvatures yet."""
        return any(float(self.state[each]["step"]) > 0 for each, _ in self._parameters())

    @torch.no_grad()
    def gather(self, curvatures: Sequence[Tensor | None]) -> None:
        """Take an estimate into the means, one a parameter in their order; ``None`` is no curvature."""
        for (parameter, group), found in zip(self._parameters(), curvatures, strict=True):
            state = self.state[parameter]
            state["step"] += 1
            state["curvature"].mul_(group["decay"])
            if found is not None:
                state["curvature"].add_(found, alpha=1 - group["decay"])

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        for parameter, group in self._parameters():
            if parameter.grad is not None:
                state = self.state[parameter]
                weighed = 1 - group["decay"] ** float(state["step"])  # a counter, which is never on a device
                curvature = state["curvature"] / weighed + group["damping"]
                parameter.addcdiv_(parameter.grad, curvature, value=-group["lr"])

    def _parameters(self) -> list[tuple[Tensor, dict[str, Any]]]:
        return [(each, group) for group in self.param_groups for each in group["params"]]
