"""Energy and each factor's share of it, while learning."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from factorgraph.lazy import np
from factorgraph.run.figures._style import COLOURS, FAINT, INK, LETTERS, QUIET, STROKES, new_figure, plain, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SMOOTH_FROM = 100  # rows of a curve from which its running mean is drawn over it
WINDOW = 1 / 50  # of the curve


def curves(rows: Iterable[Mapping[str, Any]]) -> Figure | None:
    """The rows of metrics.jsonl as one curve a factor, and one for the energy; ``None`` without two rows to join.

    Lines are the training batches, dots the held-out split. Phases are separated by thin lines. The scale is logarithmic where
    everything is positive and spans more than a factor of 20.
    """
    rows = [row for row in rows if "step" in row and "energy" in row]
    training, held_out = _split(rows, "train"), _split(rows, "test")
    if len(training) + len(held_out) < 2:
        return None
    figure = new_figure(7.5, 4.0)
    axes = figure.add_axes((0.09, 0.125, 0.69, 0.735))
    names = _names(rows)
    for place, name in enumerate(names):
        colour, stroke = COLOURS[place % len(COLOURS)], STROKES[place % len(STROKES)]
        _line(axes, training, name, colour, stroke)
        _dots(axes, held_out, name, colour, alone=not training)
    _scale(axes, rows, names)
    plain(axes)
    _phases(axes, rows)
    axes.set_xlabel("step", fontsize=LETTERS, color=INK)
    axes.set_ylabel("weighted energy per sample", fontsize=LETTERS, color=INK)
    dots = "; dots: held-out samples" if held_out and training else ""
    title(axes, "Energy and its factors while learning", "lines: training batches" + dots if training else "held-out samples")
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.02), fontsize=LETTERS, frameon=False, handlelength=2.4)
    return figure


def _split(rows: Sequence[Mapping[str, Any]], split: str) -> list[Mapping[str, Any]]:
    return [row for row in rows if row.get("split", "train") == split]


def _names(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The energy first, then the factors in the order in which they appear."""
    return ["energy", *dict.fromkeys(name for row in rows for name in _shares(row))]


def _shares(row: Mapping[str, Any]) -> Mapping[str, float]:
    return row.get("shares") or {}


def _points(rows: Sequence[Mapping[str, Any]], name: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps and values of one curve; a value that is missing or no number leaves a gap."""
    values = [row.get("energy") if name == "energy" else _shares(row).get(name) for row in rows]
    steps = np.array([row["step"] for row in rows], dtype=float)
    return steps, np.array([np.nan if each is None else each for each in values], dtype=float)


def _line(axes: Axes, rows: Sequence[Mapping[str, Any]], name: str, colour: str, stroke: str) -> None:
    steps, values = _points(rows, name)
    if not np.isfinite(values).any():
        return
    width = 2.0 if name == "energy" else 1.5
    if len(values) < SMOOTH_FROM:
        axes.plot(steps, values, color=colour, linestyle=stroke, linewidth=width, label=name)
        return
    axes.plot(steps, values, color=colour, linewidth=0.6, alpha=0.25)
    axes.plot(steps, _running_mean(values), color=colour, linestyle=stroke, linewidth=width, label=name)


def _dots(axes: Axes, rows: Sequence[Mapping[str, Any]], name: str, colour: str, alone: bool) -> None:
    steps, values = _points(rows, name)
    if np.isfinite(values).any():
        label = name if alone else "_nolegend_"
        axes.plot(steps, values, "o", color=colour, ms=4.5, mfc="white", mew=1.4, zorder=4, label=label)


def _running_mean(values: np.ndarray) -> np.ndarray:
    """The mean of the numbers in a window around each place, narrower at the ends, gaps left out."""
    half = max(1, round(len(values) * WINDOW / 2))
    known = np.isfinite(values)
    sums, counts = (np.concatenate([[0.0], np.cumsum(each)]) for each in (np.where(known, values, 0.0), known.astype(float)))
    place = np.arange(len(values))
    low, high = np.maximum(place - half, 0), np.minimum(place + half + 1, len(values))
    inside = counts[high] - counts[low]
    return np.where(inside > 0, (sums[high] - sums[low]) / np.maximum(inside, 1), np.nan)


def _scale(axes: Axes, rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> None:
    everything = np.concatenate([_points(rows, name)[1] for name in names])
    everything = everything[np.isfinite(everything)]
    if len(everything) and everything.min() > 0 and everything.max() > 20 * everything.min():
        axes.set_yscale("log")


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
            axes.axvline(step, color=FAINT, linewidth=0.8, zorder=0)
        where = axes.get_xaxis_transform()
        axes.text(step, 1, f" {name}", transform=where, va="top", ha="left", fontsize=LETTERS, color=QUIET, style="italic")
