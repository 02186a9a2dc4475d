"""Whether the energy surface is low on the data and high elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.metrics._base import Kind, MetricLeaf, chance_greater

if TYPE_CHECKING:
    from factorgraph.run.measured import Measured


class Auc(MetricLeaf):
    """The chance that a point of the background has more energy than a held-out sample; a tie counts half.

    1 is a surface that tells them apart, 0.5 one that is blind. The background is the source's: points far from its curve. The
    energy is that of the first procedure.

    Source: the area under the ROC curve; Mann & Whitney, Ann. Math. Stat. 18(1), 1947.
    """

    type: Literal["auc"] = "auc"

    arguments: ClassVar[tuple[Kind, ...]] = ()
    of_source: ClassVar[str] = "background"

    def measure(self, on: Measured) -> float:
        return chance_greater(on.energies(on.background()), on.energies(on.solved(None)))
