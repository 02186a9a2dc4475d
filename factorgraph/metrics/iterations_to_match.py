"""How many steps of a search another procedure is worth."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.metrics._base import Kind, MetricLeaf, squared_difference

if TYPE_CHECKING:
    from factorgraph.run.measured import Measured


class IterationsToMatch(MetricLeaf):
    """The steps of the first procedure's solver until its code is as close to where it ends as the second procedure's code.

    Closeness is the squared difference to the code that the first procedure finds in the end, summed over units, averaged over
    held-out samples; all samples take the same number of steps. 0: its start is as close. No number: within its steps it never
    gets as close, as to a code that is its own. A step of coordinate_descent is one unit.

    Source: Gregor & LeCun, ICML 2010, whose figures show both errors by iterations.
    """

    type: Literal["iterations_to_match"] = "iterations_to_match"

    arguments: ClassVar[tuple[Kind, ...]] = ("procedure", "procedure")

    def measure(self, on: Measured, search: str, other: str) -> float:
        end = on.solved(search)
        goal = squared_difference(on.solved(other), end)[0]
        for taken, codes in enumerate(islice(on.approach(search), on.steps(search) + 1)):
            if squared_difference(replace(end, variables={**end.variables, **codes}), end)[0] <= goal:
                return float(taken)
        return float("nan")
