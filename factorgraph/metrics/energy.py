"""The energy that a procedure leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.metrics._base import Kind, MetricLeaf

if TYPE_CHECKING:
    from factorgraph.run.measured import Measured


class Energy(MetricLeaf):
    r"""The mean energy of held-out samples once a procedure has inferred their latents.

    .. math:: \frac1N \sum_n F(Y_n), \qquad F = \text{sum over factors of weight times value}

    Units: energy, per sample. A claim's ``only`` and ``without`` choose the factors that count; the inference is
    the procedure's own.
    """

    type: Literal["energy"] = "energy"

    arguments: ClassVar[tuple[Kind, ...]] = ("procedure",)

    def measure(self, on: Measured, procedure: str) -> float:
        return float(on.energies(on.solved(procedure, on.touched)).mean())
