"""The health of a run while it learned: one small panel for each measure, its bound dashed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from factorgraph.registry import leaves
from factorgraph.run.figures._style import COLOURS, FAINT, INK, LETTERS, QUIET, STROKES, fitted, new_figure, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 3
WIDE, HIGH = 2.5, 1.6  # inches of a panel
ACROSS, ABOVE = 0.75, 0.85  # between panels
MOST = 6  # lines in a panel

Bounds = Mapping[str, Mapping[str, float]]  # what phases say: phase -> measure -> bound


def health(rows: Iterable[Mapping[str, Any]], bounds: Bounds | None = None) -> Figure | None:
    """Every measure of health over the steps at which it was read, a line for each thing measured; ``None`` without two looks.

    The bound of a measure is dashed, in each phase its own; triangles at the bottom of *dead* are looks at which columns were
    replaced. What is zero at every look is left out, but for dead units.
    """
    rows = [row for row in rows if row.get("health")]
    names = [name for name in leaves("health") if name == "dead" or _largest(rows, name) > 0]
    names = [name for name in names if any(name in row["health"] for row in rows)]
    if len(rows) < 2 or not names:
        return None
    down = math.ceil(len(names) / COLUMNS)
    across, up = min(len(names), COLUMNS) * (WIDE + ACROSS), down * (HIGH + ABOVE)
    figure = new_figure(across, up)
    for place, name in enumerate(names):
        line, column = divmod(place, COLUMNS)
        left, bottom = ACROSS + column * (WIDE + ACROSS), up - (line + 1) * (HIGH + ABOVE) + ABOVE / 2
        axes = figure.add_axes((left / across, bottom / up, WIDE / across, HIGH / up))
        _panel(axes, name, rows, bounds or {})
        if place + COLUMNS >= len(names):
            axes.set_xlabel("step", fontsize=LETTERS, color=INK)
    return fitted(figure)


def _panel(axes: Axes, name: str, rows: Sequence[Mapping[str, Any]], bounds: Bounds) -> None:
    measure: Any = leaves("health")[name]
    looks = [row for row in rows if name in row["health"]]
    subjects = list(dict.fromkeys(subject for row in looks for subject in row["health"][name]))
    for place, subject in enumerate(subjects[:MOST]):
        points = [(row["step"], row["health"][name][subject]) for row in looks if subject in row["health"][name]]
        colour, stroke = COLOURS[(place + 1) % len(COLOURS)], STROKES[place % len(STROKES)]
        axes.plot(*zip(*points, strict=True), stroke, color=colour, lw=1.5, marker="o", ms=2.5, label=subject, clip_on=False)
    largest = _largest(rows, name)
    axes.set_ylim(0, 1.15 * largest if largest > 0 else 1)
    label = "bound"
    for phase in dict.fromkeys(row["phase"] for row in rows) if not measure.of_change else ():
        steps = [row["step"] for row in rows if row["phase"] == phase]
        bound = _bound(name, bounds.get(phase.partition("[")[0], {}))
        if bound <= 1.15 * largest:
            axes.plot([min(steps), max(steps)], [bound, bound], "--", color=QUIET, lw=1, label=label)
            label = "_nolegend_"
    changed = [row["step"] for row in looks if name == "dead" and row.get("resampled")]
    if changed:
        axes.plot(changed, [0] * len(changed), "^", color=COLOURS[0], ms=5, clip_on=False, zorder=5, label="columns replaced")
    plain(axes)
    axes.locator_params("both", nbins=4)
    axes.locator_params("x", integer=True)
    axes.set_title(measure.title, fontsize=LETTERS, color=INK, loc="left")
    axes.margins(x=0.03)
    axes.legend(fontsize=LETTERS - 1, frameon=False, loc="best", labelcolor=INK, handlelength=1.8)
    axes.spines["bottom"].set_color(FAINT)


def _largest(rows: Sequence[Mapping[str, Any]], name: str) -> float:
    values = [value for row in rows for value in row["health"].get(name, {}).values() if math.isfinite(value)]
    return max(values, default=0.0)


def _bound(name: str, said: Mapping[str, float]) -> float:
    return float(said.get(name, leaves("health")[name].model_fields["at_most"].default))
