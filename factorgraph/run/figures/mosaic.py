"""Filters in an order of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.lazy import torch
from factorgraph.run.figures._figure import FigureLeaf

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from factorgraph.run.claims import States
    from factorgraph.spec import blocks
    from factorgraph.spec.schema import Spec


class Mosaic(FigureLeaf):
    """Shows the filters of a function sorted by a metric per unit, the least first: ``of: [decoder, column_norm(classifier)]``.

    Units without a figure come last. A metric is measured in the state that is written before it; the filters are those of the
    end of learning.
    """

    type: Literal["mosaic"] = "mosaic"

    shows: ClassVar[Literal["claim", "value", "units", "procedures"]] = "units"
    parts: ClassVar[tuple[str, ...]] = ("function", "metric")

    def draw(self, name: str, asked: blocks.Figure, spec: Spec, states: States) -> Figure | None:
        from factorgraph.errors import RunError, issue
        from factorgraph.run.claims import NotMeasuredError, units_at
        from factorgraph.run.figures._filters import MOST, mosaic_figure
        from factorgraph.run.figures._style import fitted

        function, metric = (str(each) for each in asked.of)
        try:
            figures = units_at(spec, states, metric).double()
            filters = states("").pixels(function)
        except NotMeasuredError:
            return None
        if len(figures) != len(filters):
            what = f"{function} has {len(filters)} units, and {metric} is a figure of {len(figures)}"
            raise RunError(issue("FG427", what))
        order = torch.argsort(torch.where(figures.isfinite(), figures, torch.inf), stable=True)[:MOST]
        known = figures[order][figures[order].isfinite()]
        ends = f", from {known[0]:.3g} to {known[-1]:.3g}" if len(known) else ""
        caption = f"sorted by {metric}{ends}; each scaled to its own largest value"
        return fitted(mosaic_figure(filters[order], f"{name.replace('_', ' ')}: {len(order)} filters of {function}", caption))
