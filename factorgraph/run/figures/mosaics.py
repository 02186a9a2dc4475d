"""Filters of several states side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.lazy import torch
from factorgraph.run.figures._figure import FigureLeaf

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from factorgraph.run.claims import States
    from factorgraph.spec import blocks
    from factorgraph.spec.schema import Spec


class Mosaics(FigureLeaf):
    """Shows the filters of a family of variants side by side, a mosaic for each member: ``of: filters[p].anisotropy(decoder)``.

    The function is the one that the metric per unit is about, and each mosaic is sorted by it, the least first. A metric that
    names no family is one mosaic. ``factorgraph reproduce`` draws it, which trains the variants.
    """

    type: Literal["mosaics"] = "mosaics"

    shows: ClassVar[Literal["claim", "value", "units", "procedures"]] = "units"
    parts: ClassVar[tuple[str, ...]] = ("metric",)

    def draw(self, name: str, asked: blocks.Figure, spec: Spec, states: States) -> Figure | None:
        from factorgraph.run.claims import NotMeasuredError, units_by_state
        from factorgraph.run.figures._filters import mosaics_figure
        from factorgraph.run.figures._style import fitted

        metric = str(asked.of[0])
        try:
            found = [(figures.double(), on.pixels(function)) for figures, on, function in units_by_state(spec, states, metric)]
        except NotMeasuredError:
            return None
        order = [torch.argsort(torch.where(each.isfinite(), each, torch.inf), stable=True) for each, _ in found]
        parts = [filters[each] for each, (_, filters) in zip(order, found, strict=True)]
        caption = f"sorted by {metric}, the least first; each scaled to its own largest value, grey is 0"
        return fitted(mosaics_figure(parts, name.replace("_", " "), caption))
