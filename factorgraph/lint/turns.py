"""Variables that are minimised in turn where that may stop early."""

from __future__ import annotations

from collections.abc import Iterator

from factorgraph.errors import Issue, issue
from factorgraph.lint.reading import Reading


def check(reading: Reading) -> Iterator[Issue]:
    """FGW422 at a procedure whose energy is not one that variables in turn lead to the least value of."""
    for name, plan in {each.name: each for each in reversed(tuple(reading.plan.procedures.values()))}.items():
        if not plan.parts or plan.convex:
            continue
        tie = next((term.factor for term in plan.terms if term.part == "unsolvable" or not term.convex), "")
        why = f"{tie} is not convex and smooth where it ties them" if tie else f"the domain is {plan.domain}"
        block = " and ".join(plan.block)
        what = f'procedure "{name}" minimises over {block} in turn, and may end where none of them alone goes on: {why}'
        yield issue("FGW422", what, ("inference", name), fix="start: a good guess, as an encoder's")
