"""Sides of a game that judge one stand-in in different forms."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from factorgraph.errors import Issue, Path, address, issue
from factorgraph.lint.reading import Reading
from factorgraph.losses._loss import LossLeaf

if TYPE_CHECKING:
    from factorgraph.spec.blocks import Phase


def check(reading: Reading) -> Iterator[Issue]:
    """FGW272 where what makes a stand-in is moved by another form of the energy than that by which it is told from data."""
    for name, declared in reading.graph.spec.learning.items():
        told = list(_forms(name, declared.first))
        of_critics = {fake: form for _, fake, form, moves in told if not moves}
        for path, fake, form, moves in told:
            if moves and of_critics.get(fake, form) != form:
                what = f"{fake} is told from data by the {of_critics[fake]} form of the energy, and moved by the {form} form"
                yield issue("FGW272", what, path, fix=f"{address(path)}.form: {of_critics[fake]}")


def _forms(name: str, phase: Phase) -> Iterator[tuple[Path, str, str, bool]]:
    """Where a phase puts a stand-in, the form of the loss that does, and whether that moves what makes it."""
    for player, side in phase.sides().items():
        base: Path = ("learning", name, *(("players", player) if phase.players else ()), "loss")
        for called, term in side.loss.items():
            if isinstance(loss := term.loss, LossLeaf) and (form := getattr(loss, "form", "")):
                path = (*base, called) if len(side.loss) > 1 else base
                yield from ((path, fake, form, loss.moves_stand_ins) for fake in loss.stand_ins())
