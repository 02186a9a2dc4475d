"""How many of the true atoms were found."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.metrics._base import Kind, MetricLeaf, cosines

if TYPE_CHECKING:
    from factorgraph.run.measured import Measured

FOUND = 0.95  # cosine with the true atom


class Recovered(MetricLeaf):
    """The share of the true atoms of generated data that some unit matches with an absolute cosine above 0.95.

    The sign of an atom is arbitrary. Units are compared in the space of the generated signals: preparation is undone.
    """

    type: Literal["recovered"] = "recovered"

    arguments: ClassVar[tuple[Kind, ...]] = ("function",)
    of_source: ClassVar[str] = "truth"

    def measure(self, on: Measured, function: str) -> float:
        best = cosines(on.truth(), on.units_in_source_space(function)).abs().amax(1)
        return float((best > FOUND).double().mean())
