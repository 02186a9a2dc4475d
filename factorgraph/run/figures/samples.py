"""What a model makes, beside what it is to be like."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from factorgraph.lazy import np
from factorgraph.run.figures._figure import FigureLeaf

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

    from factorgraph.graph.model import Variable
    from factorgraph.run.claims import States
    from factorgraph.run.measured import Measured
    from factorgraph.spec import blocks
    from factorgraph.spec.schema import Spec

POINTS = 1000  # of samples, and of data
PICTURES = 64
WIDTH = 3.2  # inches of each half


class Samples(FigureLeaf):
    """Shows what is made of noise, one sample for each held-out row: points over the data's, or pictures beside the data's.

    Of a value in a plane, or of the size of an observed picture. Pictures share one scale of brightness.
    """

    type: Literal["samples"] = "samples"

    def draw(self, name: str, asked: blocks.Figure, spec: Spec, states: States) -> Figure | None:
        from factorgraph.run.claims import NotMeasuredError

        try:
            on = states("")
        except NotMeasuredError:
            return None
        made, heading = str(asked.of[0]), name.replace("_", " ")
        like = _like(on, made)
        data, drawn = on.value(like.id), on.evaluated(made, on.solved(asked.by))
        if on.picture_shape_of(like) is None:
            return _points(data[:POINTS], drawn[:POINTS], heading, made, like.id)
        return _pictures([on.unprepared(like, each[:PICTURES].flatten(1)) for each in (drawn, data)], heading, (made, like.id))


def _like(on: Measured, made: str) -> Variable:
    """The observed variable that a value is to be like: a point in a plane or a picture. Raises RunError FG463."""
    from factorgraph.errors import RunError, issue

    graph = on.graph
    sized = [each for each in graph.of_kind("observed") if made in graph.values and each.shape == graph.values[made].shape]
    like = next((each for each in sized if each.shape == (2,) or on.picture_shape_of(each) is not None), None)
    if like is None:
        what = f'"{made}" is no sample of an observed point in a plane, or of an observed picture'
        made_of_noise = (each.id for each in graph.of_kind("derived") if each.stands_for is not None)
        raise RunError(issue("FG463", what, ("figures",), allowed=", ".join(made_of_noise) or "what has that size"))
    return like


def _points(data: Tensor, made: Tensor, heading: str, name: str, like: str) -> Figure:
    """Points in a plane, (points, 2) each. What is made beyond twice the data's extent is counted in the caption."""
    from factorgraph.run.figures._style import COLOURS, INK, LETTERS, fitted, new_figure, plain, title

    figure = new_figure(5.2, 5.2)
    axes = figure.add_axes((0.125, 0.095, 0.8, 0.77))
    low, high = data.amin(0), data.amax(0)
    centre, reach = (low + high) / 2, float((high - low).max()) or 1.0
    outside = int(((made - centre).abs() > reach).any(1).sum())
    for points, colour, size in ((data, COLOURS[5], 3.4), (made, COLOURS[2], 2.4)):
        axes.plot(points[:, 0].numpy(), points[:, 1].numpy(), "o", color=colour, markersize=size, markeredgewidth=0, alpha=0.7)
    plain(axes)
    axes.set_aspect("equal")
    for limits, middle in ((axes.set_xlim, centre[0]), (axes.set_ylim, centre[1])):
        seen = reach * (0.62 if not outside else 1.0)
        limits(float(middle) - seen, float(middle) + seen)
    axes.set_xlabel(f"{like}, first unit", fontsize=LETTERS, color=INK)
    axes.set_ylabel(f"{like}, second unit", fontsize=LETTERS, color=INK)
    rest = f"; {outside} lie farther out" if outside else ""
    title(axes, heading, f"blue: {len(made)} samples of {name}; orange: held-out data{rest}")
    return fitted(figure)


def _pictures(parts: list[Tensor], heading: str, names: tuple[str, str]) -> Figure:
    """Two squares of pictures, (pictures, [channels,] height, width) each, on one scale of brightness."""
    from factorgraph.run.figures._reconstructions import CLIPPED, show
    from factorgraph.run.figures._style import INK, LETTERS, fitted, new_figure, picture_axes, title

    low, high = (float(np.percentile(parts[1].numpy(), each)) for each in (CLIPPED, 100 - CLIPPED))
    across = math.ceil(math.sqrt(max(len(each) for each in parts)))
    cell = WIDTH / across
    figure = new_figure(2 * WIDTH + 0.5, WIDTH + 0.9)
    whole = picture_axes(figure, 0.1, 0, 2 * WIDTH + 0.3, WIDTH + 0.3)
    title(whole, heading, f"{len(parts[0])} samples beside {len(parts[1])} held-out pictures, one scale of brightness")
    for half, (pictures, name) in enumerate(zip(parts, names, strict=True)):
        for place, picture in enumerate(pictures):
            row, column = divmod(place, across)
            left = 0.1 + half * (WIDTH + 0.3) + column * cell
            axes = picture_axes(figure, left, WIDTH + 0.25 - (row + 1) * cell, cell * 0.94, cell * 0.94)
            show(axes, picture, low, high)
        whole.text((half * (WIDTH + 0.3)) / (2 * WIDTH + 0.3), 0.03, name, transform=whole.transAxes, fontsize=LETTERS, color=INK)
    return fitted(figure)
