"""How far the steps of an optimizer go as its phase goes on, and where it keeps its counters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.optim import Optimizer

from factorgraph.run.state import COUNTERS

if TYPE_CHECKING:
    from factorgraph.structure import Schedule


@dataclass(frozen=True)
class Moment:
    """Where a step stands in its phase."""

    progress: float  # 0 to 1
    is_last: bool  # of a pass through the data, or of the phase


class Pace:
    """The step of each group of an optimizer. ``rates``: of each, as the spec says.

    On a CUDA device an optimizer that can do so keeps its counters there and reads its step there: the host only launches.
    """

    def __init__(self, optimizer: Optimizer | None, rates: Sequence[float], schedule: Schedule):
        self.optimizer = optimizer if optimizer is not None and "lr" in optimizer.defaults else None  # others compute how far
        self.rates, self.schedule = rates, schedule
        self.now: list[float] = []
        self.lengths: Tensor | None = None  # the same on the device, (groups,)
        self.place()

    def place(self) -> None:
        """Put counters where the parameters are: also those of a run that began on another kind of device."""
        self.now = []
        if self.optimizer is None or "capturable" not in self.optimizer.defaults:
            return
        first = self.optimizer.param_groups[0]["params"][0]
        self.lengths = torch.zeros(len(self.rates), device=first.device) if first.is_cuda else None
        for group in self.optimizer.param_groups:
            group["capturable"] = first.is_cuda
        for held in self.optimizer.state.values():
            for slot in COUNTERS:
                if isinstance(count := held.get(slot), Tensor):
                    held[slot] = count.to(first.device if first.is_cuda else "cpu")

    def at(self, progress: float) -> None:
        """Let steps go as far as the schedule says at ``progress`` (0 to 1) of the phase."""
        factor = self.schedule.factor(progress)
        rates = [rate * factor for rate in self.rates]
        if rates == self.now or self.optimizer is None:
            return
        self.now = rates
        if self.lengths is not None:
            self.lengths.copy_(torch.tensor(rates), non_blocking=True)
        lengths = rates if self.lengths is None else self.lengths.unbind()
        for group, each in zip(self.optimizer.param_groups, lengths, strict=True):
            group["lr"] = each

    @property
    def on_device(self) -> bool:
        """Whether all that changes from step to step is on the device, but for what ``on_host`` tells."""
        return self.optimizer is None or "capturable" in self.optimizer.defaults or isinstance(self.optimizer, torch.optim.SGD)

    @property
    def on_host(self) -> tuple[float, ...]:
        """What a step reads on the host."""
        return tuple(self.now) if self.lengths is None else ()
