"""Steps of learning on a CUDA device as one graph: recorded once, and launched together from then on.

A step of a small model is a hundred kernels of some microseconds each, and the host takes longer to launch them than the device
to run them. What a step launches is the same each time, where nobody looks at a value and nothing is drawn on the device.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import torch

from factorgraph.graph.model import Id
from factorgraph.kernels.build import SWITCH

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.training.sides import Side

WAITS = "called a synchronizing CUDA operation"  # torch's words for a wait
ABOUT_HEARING = "Synchronization debug mode"  # and for listening, once in a process
WARM = 3  # steps before one is recorded: the first load libraries and begin the optimizer, the last is listened to

Given = Mapping[Id, "Tensor"]
Made = tuple[Mapping[str, "Tensor"], Mapping[str, "Tensor"]]  # a step's numbers for the log, (), and what measures of health saw


class Replay:
    """The steps of one side of a phase. One that waits for the device, or draws on it, is never recorded."""

    def __init__(self, side: Side, device: str):
        self.side, self.device = side, device
        is_wanted = device.startswith("cuda") and os.environ.get(SWITCH) != "0"
        self.may = is_wanted and side.alike and side.pace.on_device
        self.seen: tuple[object, object] = (None, None)  # what the last steps were alike in: the batch, and what else
        self.alike = 0  # steps that were, one after the other
        self.graph: torch.cuda.CUDAGraph | None = None
        self.given: dict[Id, Tensor] = {}  # where the graph reads its batch
        self.made: Made = ({}, {})  # where it leaves what it makes
        self.numbers: Tensor | None = None  # those together

    def __call__(self, given: Given, step: Callable[[Given], Made], reads_more: Callable[[], bool]) -> Made:
        """A step on a batch. ``reads_more`` says of the step taken whether it depends on more, or drew on the device."""
        if not self.may:
            return step(given)
        seen = ({key: (each.shape, each.dtype) for key, each in given.items()}, self.side.pace.on_host)
        if self.graph is not None and seen == self.seen:
            for key, each in self.given.items():
                each.copy_(given[key])
            return self._replayed(self.graph)
        if self.graph is not None and seen[1] == self.seen[1]:
            return step(given)  # a batch of another shape: the last of a pass, say
        if seen != self.seen:
            self._begin()
            self.seen = seen
        if self.alike == WARM:
            return self._recorded(given, step)
        self.alike += 1
        if self.alike < WARM:
            return step(given)
        waits, made = _heard(lambda: step(given))
        self.may = not waits and not reads_more()
        return made

    def _begin(self) -> None:
        """Let go of what was recorded, and of its memory."""
        self.alike, self.graph, self.given, self.made, self.numbers = 0, None, {}, ({}, {}), None

    def _recorded(self, given: Given, step: Callable[[Given], Made]) -> Made:
        """Record the step, which does not take it yet, and take it. What cannot be recorded after all goes on as it is."""
        self.given = {key: each.clone() for key, each in given.items()}
        graph, is_whole = torch.cuda.CUDAGraph(), False
        with torch.cuda.device(self.device), torch.cuda.stream(torch.cuda.current_stream(self.device)):
            try:
                with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                    self.made = step(self.given)
                    self.numbers = torch.stack([*self.made[0].values()])
                is_whole = True
            except RuntimeError:  # of memory that is not enough for both, say
                self.may = False
        if is_whole:
            self.graph = graph
            return self._replayed(graph)
        del graph
        self._begin()
        torch.cuda.empty_cache()
        return step(given)

    def _replayed(self, graph: torch.cuda.CUDAGraph) -> Made:
        graph.replay()
        assert self.numbers is not None, "a graph that was recorded leaves numbers"
        names, shown = self.made
        numbers = dict(zip(names, self.numbers.clone().unbind(), strict=True))  # the next step writes over what this one left
        return numbers, {key: each.clone() for key, each in shown.items()}


def _heard(step: Callable[[], Made]) -> tuple[bool, Made]:
    """Whether the host waits for the device in a step, and what the step makes."""
    before = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            made = step()
        finally:
            torch.cuda.set_sync_debug_mode(before)
    for each in heard:
        if not any(known in str(each.message) for known in (WAITS, ABOUT_HEARING)):
            warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)
    return any(WAITS in str(each.message) for each in heard), made
