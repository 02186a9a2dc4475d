"""Energy and each factor's share of it while learning, or each player's loss."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from factorgraph.lazy import np
from factorgraph.run.figures._style import COLOURS, FAINT, INK, LETTERS, QUIET, STROKES, fitted, new_figure, plain, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SMOOTH_FROM = 100  # rows of a curve from which its running mean is drawn over it
WINDOW = 1 / 50  # of the curve
MARKS = ("o", "x")  # of held-out samples: of the energy that the phase learned, of another one
LOOK: Mapping[str, Any] = {"ms": 5.5, "mfc": "white", "mew": 1.4, "zorder": 4}

DEEPEST = 1e-6  # of the largest value, on a logarithmic scale
PER_SAMPLE = "weighted energy per sample"
OTHER, OR_LOSS = "loss, of no energy", "weighted energy, or loss, per sample"
LOSS = "loss, minimised"  # of a phase that minimises something else than the energy
HELD_OUT = ("held-out samples", "held-out samples with\nthe spec's own weights,\nnot the phase's")  # what the marks are

Point = tuple[str, float, float]  # phase, step, value
Curves = Mapping[str, Sequence[Point]]


def curves(rows: Iterable[Mapping[str, Any]], of_another_energy: Collection[str] = ()) -> Figure | None:
    """The rows of metrics.jsonl as one curve a factor, and one for the energy; ``None`` without two rows.

    A phase whose loss is not the energy, as score matching is not, has its loss as well: that falls, while the energy may rise.
    One whose loss sees no energy has its loss instead. Lines are the training batches, circles the held-out split, crosses
    the same after a phase ``of_another_energy``: held-out samples are always measured with the spec's own weights. Phases are
    separated by thin lines, and no curve goes from one to the next. A game has one curve a player instead: what that player
    minimises. The scale is logarithmic where nothing is negative and the rest spans more than a factor of 20.
    """
    rows = [row for row in rows if "step" in row and ("energy" in row or "loss" in row)]
    if len(rows) < 2:
        return None
    training, held_out = _split(rows, "train"), _split(rows, "test")
    if _is_game(training):
        return _figure(rows, _of_players(training), {}, frozenset(), ("What each player minimises", "loss"))
    lines, dots = _of_factors(training), _of_factors(held_out)
    heading, per_sample = "Energy and its factors while learning", OR_LOSS if {OTHER, LOSS} & {*lines} else PER_SAMPLE
    if len({*lines, *dots} - {OTHER, LOSS}) == 2:  # the energy is its only factor's share
        lines, dots = ({key: each[key] for key in each if key in ("energy", OTHER, LOSS)} for each in (lines, dots))
        heading = "Energy while learning"
    if LOSS in lines:
        heading = f"Loss, {heading[0].lower()}{heading[1:]}" if "factors" in heading else "Loss and energy while learning"
    return _figure(rows, lines, dots, of_another_energy, (heading, per_sample))


def _figure(
    rows: Sequence[Mapping[str, Any]], lines: Curves, dots: Curves, of_another_energy: Collection[str], texts: tuple[str, str]
) -> Figure:
    figure = new_figure(7.5, 4.0)
    axes = figure.add_axes((0.09, 0.125, 0.69, 0.735))
    for place, name in enumerate(dict.fromkeys([*lines, *dots])):
        colour, stroke = COLOURS[place % len(COLOURS)], STROKES[place % len(STROKES)]
        _line(axes, lines.get(name, ()), name, colour, stroke)
        _dots(axes, dots.get(name, ()), of_another_energy, colour, "_nolegend_" if lines else name)
    _scale(axes, [point for each in (*lines.values(), *dots.values()) for point in each])
    plain(axes)
    _phases(axes, rows)
    axes.set_xlabel("step", fontsize=LETTERS, color=INK)
    axes.set_ylabel(texts[1], fontsize=LETTERS, color=INK)
    title(axes, texts[0], "lines: training batches" if lines else "held-out samples")
    if lines and dots:
        _explain_marks(axes, dots["energy"], of_another_energy)
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.02), fontsize=LETTERS, frameon=False, handlelength=2.4)
    return fitted(figure)


def _split(rows: Sequence[Mapping[str, Any]], split: str) -> list[Mapping[str, Any]]:
    return [row for row in rows if row.get("split", "train") == split]


def _is_game(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether any phase has several players."""
    return len({(row.get("phase"), row.get("player")) for row in rows}) > len({row.get("phase") for row in rows})


def _of_factors(rows: Sequence[Mapping[str, Any]]) -> Curves:
    """The energy first, then the factors in the order in which they appear, then the losses of steps that see no energy."""
    factors = dict.fromkeys(name for row in rows for name in row.get("shares") or {})
    found = {"energy": [_point(row, row.get("energy")) for row in rows]} if rows else {}
    found |= {name: [_point(row, (row.get("shares") or {}).get(name)) for row in rows] for name in factors}
    others = [_point(row, None if "energy" in row else row["loss"]) for row in rows]
    own = [_point(row, row["loss"] if _is_not_the_energy(row) else None) for row in rows]
    return found | {name: each for name, each in ((OTHER, others), (LOSS, own)) if any(math.isfinite(y) for *_, y in each)}


def _is_not_the_energy(row: Mapping[str, Any]) -> bool:
    """A step that minimises something else: a likelihood, score matching, an energy of some of the factors."""
    loss, energy = row.get("loss"), row.get("energy")
    return loss is not None and energy is not None and not math.isclose(loss, energy, rel_tol=1e-4, abs_tol=1e-9)


def _of_players(rows: Sequence[Mapping[str, Any]]) -> Curves:
    players = dict.fromkeys(row["player"] for row in rows)
    return {name: [_point(row, row.get("loss")) for row in rows if row["player"] == name] for name in players}


def _point(row: Mapping[str, Any], value: float | None) -> Point:
    """A value that is missing or no number leaves a gap."""
    return row.get("phase") or "", float(row["step"]), math.nan if value is None else float(value)


def _line(axes: Axes, points: Sequence[Point], name: str, colour: str, stroke: str) -> None:
    """One stroke a phase; a phase of one step is a point."""
    width = 2.0 if name in ("energy", LOSS) else 1.5
    for _, among in groupby(points, key=lambda point: point[0]):
        steps, values = np.array([point[1:] for point in among]).T
        known = int(np.isfinite(values).sum())
        if not known:
            continue
        if len(points) >= SMOOTH_FROM:
            axes.plot(steps, values, color=colour, linewidth=0.6, alpha=0.25)
            values = _running_mean(values, max(1, round(len(points) * WINDOW / 2)))
        mark = "s" if known == 1 else "none"
        axes.plot(steps, values, color=colour, linestyle=stroke, linewidth=width, marker=mark, ms=5, label=name)
        name = "_nolegend_"


def _dots(axes: Axes, points: Sequence[Point], of_another_energy: Collection[str], colour: str, name: str) -> None:
    for mark in MARKS:
        marked = [each[1:] for each in points if _mark(each, of_another_energy) == mark]
        if marked:
            axes.plot(*zip(*marked, strict=True), mark, color=colour, label=name, **LOOK)
            name = "_nolegend_"


def _mark(point: Point, of_another_energy: Collection[str]) -> str:
    return MARKS[point[0].partition("[")[0] in of_another_energy]


def _explain_marks(axes: Axes, points: Sequence[Point], of_another_energy: Collection[str]) -> None:
    for mark, what in zip(MARKS, HELD_OUT, strict=True):
        if any(_mark(each, of_another_energy) == mark for each in points):
            axes.plot([], [], mark, color=QUIET, label=what, **LOOK)


def _running_mean(values: np.ndarray, half: int) -> np.ndarray:
    """The mean of the numbers up to ``half`` places before and after each, narrower at the ends, gaps left out."""
    known = np.isfinite(values)
    sums, counts = (np.concatenate([[0.0], np.cumsum(each)]) for each in (np.where(known, values, 0.0), known.astype(float)))
    place = np.arange(len(values))
    low, high = np.maximum(place - half, 0), np.minimum(place + half + 1, len(values))
    inside = counts[high] - counts[low]
    return np.where(inside > 0, (sums[high] - sums[low]) / np.maximum(inside, 1), np.nan)


def _scale(axes: Axes, points: Sequence[Point]) -> None:
    """Whole steps, at least one before and one after; a logarithmic scale where it tells more."""
    steps = [step for _, step, _ in points]
    axes.locator_params("x", integer=True)
    if max(steps) - min(steps) < 2:
        axes.set_xlim(min(steps) - 1, max(steps) + 1)
    known = [value for _, _, value in points if math.isfinite(value)]
    smallest = min((value for value in known if value > 0), default=math.inf)
    if known and min(known) >= 0 and max(known) > 20 * smallest:  # a factor of weight 0 is nowhere, then
        axes.set_yscale("log")
        if smallest < DEEPEST * max(known):
            axes.set_ylim(bottom=DEEPEST * max(known))


def _phases(axes: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    """Each phase's name where it begins, and a line between two."""
    begins: dict[str, float] = {}
    for row in rows:
        if row.get("phase"):
            begins.setdefault(row["phase"], float(row["step"]))
    if len(begins) < 2:
        return
    for place, (name, step) in enumerate(begins.items()):
        if place:
            axes.axvline(step - 0.5, color=FAINT, linewidth=0.8, zorder=0)
        where = axes.get_xaxis_transform()
        axes.text(step, 1, f" {name}", transform=where, va="top", ha="left", fontsize=LETTERS, color=QUIET, style="italic")
