"""What each way to infer is worth: how far its code is from the best one, by steps and by time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factorgraph.run.compare import ARRIVED
from factorgraph.run.figures._style import COLOURS, INK, LETTERS, STROKES, fitted, new_figure, plain, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from factorgraph.run.compare import Comparison, Curve

MARKERS = "sD^vPX"  # of what was learned


def compared(found: Comparison) -> Figure:
    """Two panels with one scale of errors: searches are curves, what was learned are large marks."""
    figure = new_figure(9.0, 4.2)
    left, right = figure.add_axes((0.08, 0.13, 0.425, 0.71)), figure.add_axes((0.555, 0.13, 0.425, 0.71))
    floor = ARRIVED * found.reference.norm
    for place, curve in enumerate(found.curves):
        errors = [max(each.code_error, floor) for each in curve.places]
        _draw(left, curve, place, [each.steps for each in curve.places], errors)
        _draw(right, curve, place, [each.time for each in curve.places], errors)
    by_unit = any(each.solver == "coordinate_descent" for each in found.curves)
    steps = "steps; of coordinate descent one unit each" if by_unit else "steps"
    for axes, label in ((left, steps), (right, f"time: 1 is {found.unit}")):
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel(label, fontsize=LETTERS, color=INK)
        plain(axes)
    right.sharey(left)
    right.tick_params(labelleft=False)
    left.set_ylabel("squared code error per sample", fontsize=LETTERS, color=INK)
    title(left, f"{', '.join(found.latents)}: distance to the best code", "lines: searches; large marks: learned")
    right.legend(loc="upper left", bbox_to_anchor=(1.01, 1.02), fontsize=LETTERS, frameon=False, handlelength=2.4)
    return fitted(figure)


def _label(curve: Curve) -> str:
    """``optimal: fista``, ``lista: ista, unrolled``, ``fast: one pass``."""
    kinds = {"argmin": curve.solver, "unrolled": f"{curve.solver}, unrolled", "amortized": "one pass"}
    return f"{curve.name}: {kinds.get(curve.method, curve.method)}".replace("_", " ")


def _draw(axes: Axes, curve: Curve, place: int, across: list[float], errors: list[float]) -> None:
    colour, search = COLOURS[place % len(COLOURS)], curve.method == "argmin"
    axes.plot(
        across,
        errors,
        color=colour,
        linestyle=STROKES[place % len(STROKES)] if len(errors) > 1 else "none",
        linewidth=1.5 if search else 0.8,
        marker="o" if search else MARKERS[place % len(MARKERS)],
        markersize=3 if search else 8,
        markeredgecolor=colour if search else "white",  # so that marks at one place are seen apart
        label=_label(curve),
        zorder=3 if search else 4,
    )
