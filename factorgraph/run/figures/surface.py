"""The energy over a plane while learning."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.run.figures._figure import FigureLeaf

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from factorgraph.run.claims import States
    from factorgraph.spec import blocks
    from factorgraph.spec.schema import Spec


class Surface(FigureLeaf):
    """Shows the energy over a plane of an observed variable at the start and at the end of each phase, on one scale of greys.

    The plane is the variable's own where it has two units, and else goes through the first, the middle and the last held-out
    sample, which are marked; what else is observed stays as it is in the first. Dark is low. The scale is the last panel's.

    Source: LeCun, Chopra, Hadsell, Ranzato & Huang, A Tutorial on Energy-Based Learning, 2006, section 2.
    """

    type: Literal["surface"] = "surface"

    shows: ClassVar[Literal["observed"]] = "observed"

    def draw(self, name: str, asked: blocks.Figure, spec: Spec, states: States) -> Figure | None:
        from factorgraph.run.claims import NotMeasuredError
        from factorgraph.run.figures._strip import energy_strip

        try:
            return energy_strip(spec, states, str(asked.of[0]), asked.by)
        except NotMeasuredError:
            return None
