"""How far what a unit reads has turned from what it writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.metrics._base import Kind, MetricLeaf, matched_cosines

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.run.measured import Measured


class Angle(MetricLeaf):
    r"""The angle between what matched units of two functions read or write: row i of an encoder, column i of a decoder.

    .. math:: \alpha_i = \arccos \frac{a_i \cdot b_i}{|a_i| |b_i|}

    One figure a unit, 0 to pi. A unit of zeros is at a right angle to everything.

    Units:  radians.
    Source: Rolfe & LeCun, Discriminative Recurrent Sparse Auto-Encoders, ICLR 2013, section 4: units below 0.5 are parts, above
            0.7 categories.
    """

    type: Literal["angle"] = "angle"

    arguments: ClassVar[tuple[Kind, ...]] = ("function", "function")
    per_unit: ClassVar[bool] = True

    def measure(self, on: Measured, first: str, second: str) -> Tensor:
        return matched_cosines(on, first, second).clamp(-1, 1).arccos()
