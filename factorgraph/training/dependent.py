"""Codes without a derivative, where learning sees through a search: counted on the device, told once a phase."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from factorgraph.compile.procedures import Inference
from factorgraph.compile.through import dependent
from factorgraph.errors import Issue

if TYPE_CHECKING:
    from torch import Tensor


class Dependent:
    """How many rows had active units that depend on each other, by phase and procedure."""

    def __init__(self) -> None:
        self.found: dict[tuple[str, str], tuple[Tensor | int, int]] = {}
        self.told: set[tuple[str, str]] = set()

    def count(self, phase: str, rows: Mapping[str, tuple[Tensor | int, int]]) -> None:
        """Add those of a step: by procedure, how many of how many."""
        for procedure, (new, among) in rows.items():
            before, of = self.found.get((phase, procedure), (0, 0))
            self.found[phase, procedure] = (before + new, of + among)

    def warnings(self, inferences: Mapping[str, Mapping[str, Inference]]) -> Iterator[Issue]:
        """What there is to say that was not said yet. Reads numbers off the device. ``inferences``: by phase and name."""
        for at, (count, among) in self.found.items():
            if at not in self.told and int(count):
                self.told.add(at)
                phase, procedure = at
                yield dependent(inferences[phase][procedure].plan, int(count), among)
