"""Samples on the source's curve."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.metrics._base import Kind, MetricLeaf

if TYPE_CHECKING:
    from factorgraph.run.measured import Measured


class Near(MetricLeaf):
    """The share of samples of a value that lie within a distance of the source's curve: 1 is all of them.

    Of what is made of noise, one sample for each held-out row, from the seed. Data that are prepared have no such distance.
    """

    type: Literal["near"] = "near"

    arguments: ClassVar[tuple[Kind, ...]] = ("value", "number")

    def measure(self, on: Measured, value: str, distance: float) -> float:
        return float((on.distances(on.value(value)) <= distance).double().mean())
