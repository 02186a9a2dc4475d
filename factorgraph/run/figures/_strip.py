"""The energy over a plane as learning goes on: a panel for the start, and one for the end of each phase."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from factorgraph.lazy import np
from factorgraph.run.figures._style import COLOURS, INK, LETTERS, fitted, new_figure, title
from factorgraph.run.figures._surface import draw_bar, draw_surface, plane_of, scale_of
from factorgraph.spec.claimed import START

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from factorgraph.run.claims import States
    from factorgraph.spec.schema import Spec

MOST = 6  # panels that can still be read
SIDE = 64  # grid points an axis
POINTS = 300  # of the data that are drawn
FEW = 3  # of them are drawn as large marks
PANEL, BETWEEN = 2.6, 0.2  # inches


def energy_strip(spec: Spec, states: States, name: str, procedure: str | None = None) -> Figure:
    """The surfaces share one scale of greys, that of the last. Infers SIDE x SIDE rows for each."""
    every = list(_moments(spec))
    moments = [every[each] for each in _spread(len(every), MOST)]
    plane = plane_of(states(""), name, SIDE)
    surfaces = [plane.energies(states(state), procedure) for _, state in moments]
    scale = scale_of(surfaces[-1])
    width, height = 0.7 + len(moments) * (PANEL + BETWEEN) + 0.6, PANEL + 1.2
    figure = new_figure(width, height)
    for place, ((moment, state), energy) in enumerate(zip(moments, surfaces, strict=True)):
        left = 0.7 + place * (PANEL + BETWEEN)
        axes = figure.add_axes((left / width, 0.5 / height, PANEL / width, PANEL / height))
        picture = draw_surface(axes, plane, energy, scale)
        _draw_points(axes, plane.points[_spread(len(plane.points), POINTS)])
        on = states(state)
        title(axes, moment, f"orange: data, of energy {float(on.energies(on.solved(procedure)).mean()):.3g}")
        axes.set_xlabel(plane.labels[0], fontsize=LETTERS, color=INK)
        axes.tick_params(labelleft=place == 0)
        if place == 0:
            axes.set_ylabel(plane.labels[1], fontsize=LETTERS, color=INK)
    draw_bar(figure, picture, ((left + PANEL + 0.15) / width, 0.5 / height, 0.14 / width, PANEL / height))
    return fitted(figure)


def _moments(spec: Spec) -> Iterator[tuple[str, str]]:
    """The start and each phase's end in their order, slot by slot: what it is called, and the state that it is."""
    found = [START]
    for name, declared in spec.learning.items():
        found += [name] if declared.per is None else [f"{name}[{slot}]" for slot in range(spec.indices[declared.per])]
    yield from ((each, each) for each in found[:-1])
    yield found[-1], ""


def _spread(count: int, most: int) -> np.ndarray:
    """At most so many places among so many, the first and the last among them, evenly spaced."""
    return np.unique(np.linspace(0, count - 1, most).round().astype(int))


def _draw_points(axes: Axes, points: np.ndarray) -> None:
    size, edge = (7.0, 0.8) if len(points) <= FEW else (1.8, 0.0)
    axes.plot(*points.T, "o", color=COLOURS[5], markersize=size, markeredgewidth=edge, markeredgecolor="white")
