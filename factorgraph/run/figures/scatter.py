"""One point a unit."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.run.figures._figure import FigureLeaf

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from torch import Tensor

    from factorgraph.run.claims import States
    from factorgraph.spec import blocks
    from factorgraph.spec.schema import Spec

BINS = 30


class Scatter(FigureLeaf):
    """Shows two metrics per unit against each other, the first across, one point a unit; of one metric how its figures spread.

    Units of which a figure is not a number, as the angle of one that is never active, are counted in the caption.
    """

    type: Literal["scatter"] = "scatter"

    shows: ClassVar[Literal["claim", "value", "units", "procedures"]] = "units"
    parts: ClassVar[tuple[str, ...]] = ("metric", "metric?")

    def draw(self, name: str, asked: blocks.Figure, spec: Spec, states: States) -> Figure | None:
        from factorgraph.run.claims import NotMeasuredError, units_at
        from factorgraph.run.figures._style import fitted, new_figure, plain, title

        texts = [str(each) for each in asked.of]
        try:
            figures = [units_at(spec, states, each).double() for each in texts]
        except NotMeasuredError:
            return None
        known = _finite(figures)
        figure = new_figure(5.5, 4.0)
        axes = figure.add_axes((0.14, 0.13, 0.8, 0.72))
        _points(axes, [each[known] for each in figures], texts)
        plain(axes)
        left_out = len(known) - int(known.sum())
        caption = f"{int(known.sum())} units" + (f"; {left_out} more have no such figure" if left_out else "")
        title(axes, name.replace("_", " "), caption)
        return fitted(figure)


def _finite(figures: list[Tensor]) -> Tensor:
    """Which units have all of the figures. Raises RunError FG427 where they are not of the same units."""
    from factorgraph.errors import RunError, issue

    sizes = {len(each) for each in figures}
    if len(sizes) > 1:
        what = f"a scatter shows two figures of the same units, and these are of {' and '.join(map(str, sorted(sizes)))}"
        raise RunError(issue("FG427", what))
    known = figures[0].isfinite()
    for each in figures[1:]:
        known = known & each.isfinite()
    return known


def _points(axes: Axes, figures: list[Tensor], texts: list[str]) -> None:
    from factorgraph.run.figures._style import COLOURS, INK, LETTERS

    axes.set_xlabel(texts[0], fontsize=LETTERS, color=INK)
    axes.ticklabel_format(useOffset=False)
    axes.locator_params(axis="x", nbins=6)
    if len(figures) == 1:
        axes.hist(figures[0].numpy(), bins=BINS, color=COLOURS[2])
        axes.set_ylabel("units", fontsize=LETTERS, color=INK)
        return
    axes.plot(figures[0].numpy(), figures[1].numpy(), "o", markersize=3.5, color=COLOURS[2], alpha=0.6, markeredgewidth=0)
    axes.set_ylabel(texts[1], fontsize=LETTERS, color=INK)
