"""How much a detector misses for the false alarms that it raises."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.errors import RunError, issue
from factorgraph.metrics._base import Kind, MetricLeaf, chance_greater

if TYPE_CHECKING:
    from factorgraph.run.measured import Measured


class MissRate(MetricLeaf):
    r"""The mean share of positives that are missed as false alarms go from none to one a negative.

    .. math:: \int_0^1 \mathrm{miss}(f)\, df = P(s_- > s_+) + \tfrac12 P(s_- = s_+), \qquad s = F(0) - F(1)

    The label of the factor has two values, the second of which is what is to be detected; a sample's score is how much less the
    energy is with it. Each held-out window without it counts as an image of its own, so that false alarms an image go from 0
    to 1; a detector that slides over whole images has many windows in each, and another figure. 0 misses nothing, 0.5 is chance.

    Source: the measure of Sermanet, Kavukcuoglu, Chintala & LeCun, CVPR 2013, section 4, on windows.
    Errors: FG656 for a label of more than two values; what error_rate refuses.
    """

    type: Literal["miss_rate"] = "miss_rate"

    arguments: ClassVar[tuple[Kind, ...]] = ("factor",)

    def measure(self, on: Measured, factor: str) -> float:
        energies, true = on.by_label(factor)
        if energies.shape[1] != 2:
            what = f"a miss rate needs a label of two values, and that of {factor!r} has {energies.shape[1]}"
            raise RunError(issue("FG656", what, fix="measure error_rate"))
        score = energies[:, 0] - energies[:, 1]
        return chance_greater(score[true == 0], score[true == 1])
