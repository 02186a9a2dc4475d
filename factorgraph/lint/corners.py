"""Slopes that are learned through corners."""

from __future__ import annotations

from collections.abc import Iterator

from factorgraph.compile.shaping import shaped, smoother
from factorgraph.errors import Issue, issue
from factorgraph.lint.reading import Reading
from factorgraph.structure import Cornerless


def check(reading: Reading) -> Iterator[Issue]:
    """FGW266 at losses that teach an energy its slope through functions whose slope is the same between corners."""
    for each in shaped(reading.graph, {}, reading.plan.phases):
        for key, leaf in each.without(Cornerless).items() if "slope" in each.loss.needs() else ():
            what = f"{each.loss.type} teaches the energy its slope, and {key} ({leaf.type}) has corners"
            more = "what it learns is a slope that jumps, where a smooth one is meant"
            yield issue("FGW266", f"{what}: {more}", each.path, fix=smoother(key, leaf))
