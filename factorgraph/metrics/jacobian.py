"""How much a value moves with the data."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.metrics._base import Kind, MetricLeaf

if TYPE_CHECKING:
    from factorgraph.run.measured import Measured


class Jacobian(MetricLeaf):
    """The squared norm of the derivative of a value by what is observed, averaged over held-out samples.

    Units: the square of the value's unit over that of the data's.

    Source: Rifai, Vincent, Muller, Glorot & Bengio, ICML 2011, section 3.
    """

    type: Literal["jacobian"] = "jacobian"

    arguments: ClassVar[tuple[Kind, ...]] = ("value",)

    def measure(self, on: Measured, value: str) -> float:
        return float(on.slopes(value).double().mean())
