"""How a figure changes over an index."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from factorgraph.run.figures._figure import FigureLeaf
from factorgraph.spec.claims import ClaimExpression, free_indices
from factorgraph.spec.expressions import Read, walk

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from factorgraph.run.claims import States
    from factorgraph.spec import blocks
    from factorgraph.spec.claims import Measure
    from factorgraph.spec.schema import Spec

WIDE = 20  # how many times the largest is the smallest from which on a scale is logarithmic
CLOSE = 0.06  # of the axis: places that are nearer to each other are not all named


class Claims(FigureLeaf):
    """Shows metrics, written as in a claim, over the slots of their free index: one line each.

    Across is the constant that changes with the index, ``keep`` of ``keep[p]``, where there is one alone, and else the slot. A
    metric without an index is a level line, which the others are held against. Held-out samples, as for all claims.
    """

    type: Literal["claims"] = "claims"

    shows: ClassVar[Literal["claim", "value", "units", "procedures"]] = "claim"

    def draw(self, name: str, asked: blocks.Figure, spec: Spec, states: States) -> Figure | None:
        from factorgraph.run.claims import NotMeasuredError, measured_at
        from factorgraph.run.figures._style import INK, LETTERS, fitted, new_figure, plain, title

        metrics = [ClaimExpression.of(str(each)) for each in asked.of]
        (index,) = {each for metric in metrics for each in free_indices(metric.root, spec.indices)}
        try:
            lines = [measured_at(spec, states, metric) for metric in metrics]
        except NotMeasuredError:
            return None
        constant = constant_of(spec, index, metrics)
        across = spec.dims[constant] if constant else range(spec.indices[index])
        figure = new_figure(6.5, 4.0)
        axes = figure.add_axes((0.12, 0.13, 0.83, 0.74))
        for place, (metric, found) in enumerate(zip(metrics, lines, strict=True)):
            points = [(float(across[slots[index]]), value) for slots, value in found if slots]
            _draw(axes, place, metric.text, points or [(math.nan, value) for _, value in found])
        _scale(axes, constant or index, [float(each) for each in across], [value for found in lines for _, value in found])
        if len(named := {each.metric for metric in metrics for each in metric.measures()}) == 1:
            axes.set_ylabel(named.pop().replace("_", " "), fontsize=LETTERS, color=INK)
        plain(axes)
        title(axes, name.replace("_", " "), metrics[0].text if len(metrics) == 1 else "held-out samples")
        if len(metrics) > 1:
            axes.legend(fontsize=LETTERS, frameon=False, handlelength=2.4)
        return fitted(figure)


def constant_of(spec: Spec, index: str, metrics: Sequence[ClaimExpression]) -> str:
    """The list that what the metrics name reads at the index, ``keep`` of ``keep[p]``; empty where there is not one alone."""
    lists = {key for key, each in spec.dims.items() if isinstance(each, tuple) and len(each) == spec.indices[index]}
    written = re.compile(rf"(?<![\w.])(\w+)\[\s*{re.escape(index)}\s*\]")
    entries = (entry for metric in metrics for each in metric.measures() for entry in _entries(spec, index, each))
    found = {name for entry in entries for text in _texts(entry) for name in written.findall(text) if name in lists}
    return found.pop() if len(found) == 1 else ""


def _entries(spec: Spec, index: str, measure: Measure) -> Iterator[Any]:
    """What a spec writes of the things whose slot at the index a measure looks at."""
    names = [each.name for each in measure.states if each.slot is not None and each.slot.index == index]
    read = (each for argument in measure.arguments for each in walk(argument) if isinstance(each, Read))
    names += [".".join(each.name) for each in read if each.slot is not None and each.slot.index == index]
    for name in names:
        for block in (spec.learning, spec.inference, spec.functions, spec.variables):
            if name in block:
                yield block[name].values
        yield spec.variants.get(name, {})


def _texts(value: Any) -> Iterator[str]:
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    if isinstance(value, str):
        yield value
    for each in parts:
        yield from _texts(each)


def _draw(axes: Axes, place: int, label: str, points: Sequence[tuple[float, float]]) -> None:
    from factorgraph.run.figures._style import COLOURS, STROKES

    look: dict[str, Any] = {"color": COLOURS[place % len(COLOURS)], "linestyle": STROKES[place % len(STROKES)], "label": label}
    if math.isnan(points[0][0]):
        axes.axhline(points[0][1], linewidth=1.2, **look)
    else:
        axes.plot(*zip(*sorted(points), strict=True), linewidth=1.5, marker="o", markersize=5, **look)


def _scale(axes: Axes, across: str, places: Sequence[float], values: Sequence[float]) -> None:
    """Names at the places where they fit, and a height that begins at 0, or is logarithmic where values differ much."""
    from matplotlib.ticker import LogLocator

    from factorgraph.run.figures._style import INK, LETTERS

    axes.set_xlabel(across, fontsize=LETTERS, color=INK)
    apart = sorted(set(places))
    width = (apart[-1] - apart[0]) or 1.0
    if all(after - before >= CLOSE * width for before, after in itertools.pairwise(apart)):
        axes.set_xticks(apart, [f"{each:g}" for each in apart])
    known = [each for each in values if math.isfinite(each)]
    if known and min(known) > 0 and max(known) > WIDE * min(known):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.minorticks_off()
    elif known and min(known) >= 0:
        axes.set_ylim(bottom=0)
