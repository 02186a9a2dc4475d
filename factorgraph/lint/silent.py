"""Factors that are written and weigh nothing."""

from __future__ import annotations

from collections.abc import Iterator

from factorgraph.compile.phases import phases
from factorgraph.errors import Issue, issue
from factorgraph.lint.reading import Reading


def check(reading: Reading) -> Iterator[Issue]:
    """FGW265 at a weight of zero that no phase and no variant raises."""
    spec = reading.graph.spec
    raised = {address for _, _, phase in phases(spec) for address in phase.set}
    raised |= {address for changes in spec.variants.values() for address, value in changes.items() if value != 0}
    for name in dict.fromkeys(each.name for each in reading.graph.factors.values() if each.weight == 0):
        if f"factors.{name}.weight" not in raised:
            fix = f"give {name} a weight, or remove it and add it in a variant"
            yield issue("FGW265", f"{name} has a weight of 0: it is in no energy", ("factors", name, "weight"), fix=fix)
