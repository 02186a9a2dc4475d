"""The energy over a plane, dark where it is low, with the data on top: the lecture's picture of an energy surface."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from factorgraph.lazy import np, torch
from factorgraph.run.figures._style import COLOURS, FAINT, INK, LETTERS, fitted, new_figure, plain, title
from factorgraph.run.pairs import compared_pair, is_reconstruction, sources

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from factorgraph.run.measured import Measured

SIDE = 160  # grid points an axis
MARGIN = 0.15  # of the data's extent, around it
POINTS = 1000  # of the data that are drawn
BRIGHTEST = 80  # percentile of the grid's energies that is white: what is far away would leave no greys to what is near


def plane_variable(on: Measured) -> str | None:
    """The name of the observed variable, if it is the only one and has two units."""
    observed = on.graph.of_kind("observed")
    return observed[0].name if len(observed) == 1 and observed[0].shape == (2,) else None


def energy_surface(on: Measured, name: str) -> Figure:
    """The energy that the first procedure leaves at each point of a grid, with what was learned on top.

    That is where the prototypes lie, of a function of a one-hot code, or what the model makes of each data point. Infers
    SIDE x SIDE rows.
    """
    points = on.given[name]
    low, high = points.min(axis=0), points.max(axis=0)
    centre, reach = (low + high) / 2, float((high - low).max()) * (0.5 + MARGIN) or 1.0  # a square, so that circles stay round
    across, up = (np.linspace(middle - reach, middle + reach, SIDE, dtype=np.float32) for middle in centre)
    grid = np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2)
    energy = on.energies(on.inferred(None, {name: grid})).double().numpy().reshape(SIDE, SIDE)
    some = np.unique(np.linspace(0, len(points) - 1, POINTS).round().astype(int))
    return _surface_figure(across, up, energy, points[some], _learned(on, name, some), name)


def _learned(on: Measured, name: str, rows: np.ndarray) -> tuple[str, np.ndarray] | None:
    """What was learned, in a word, and where it lies in the plane: (points, 2)."""
    pair = compared_pair(on, lambda variable: variable.name == name)
    if pair is None or not is_reconstruction(on, pair):
        return None
    made, under = pair[1], sources(on, pair[1])
    if [each.domain for each in under] == ["one_hot"]:
        codes = torch.eye(math.prod(under[0].shape)).to(on.solved(None).variables[under[0].id])
        with torch.no_grad():
            found = on.model.evaluate((made,), **{under[0].id: codes.reshape(-1, *under[0].shape)})[made]
        return "prototypes", found.cpu().numpy()
    return "reconstructions", on.value(made)[rows].numpy()


def _surface_figure(
    across: np.ndarray, up: np.ndarray, energy: np.ndarray, points: np.ndarray, learned: tuple[str, np.ndarray] | None, name: str
) -> Figure:
    known = energy[np.isfinite(energy)]
    dark, white = (float(known.min()), float(np.percentile(known, BRIGHTEST))) if len(known) else (0.0, 1.0)
    figure = new_figure(5.6, 5.2)
    axes = figure.add_axes((0.125, 0.095, 0.715, 0.77))
    pad = (across[1] - across[0]) / 2
    extent = (across[0] - pad, across[-1] + pad, up[0] - pad, up[-1] + pad)
    white = white if white > dark else dark + 1
    picture = axes.imshow(energy, cmap="gray", vmin=dark, vmax=white, extent=extent, origin="lower", interpolation="bilinear")
    axes.plot(points[:, 0], points[:, 1], "o", color=COLOURS[5], markersize=2.6, markeredgewidth=0)
    if learned is not None:
        _draw_learned(axes, *learned)
    plain(axes)
    axes.set_aspect("equal")
    axes.set_xlim(extent[:2])
    axes.set_ylim(extent[2:])
    axes.set_xlabel(f"{name}, first unit", fontsize=LETTERS, color=INK)
    axes.set_ylabel(f"{name}, second unit", fontsize=LETTERS, color=INK)
    seen = "" if learned is None else f", blue: {learned[0]}"
    title(axes, "Energy surface", f"dark is low, all above {white:.3g} is white; orange: data{seen}")
    bar = figure.colorbar(picture, cax=figure.add_axes((0.865, 0.095, 0.03, 0.77)))
    bar.set_label("energy", fontsize=LETTERS, color=INK)
    bar.ax.tick_params(labelsize=LETTERS)
    bar.outline.set_color(FAINT)
    bar.outline.set_linewidth(0.8)
    return fitted(figure)


def _draw_learned(axes: Axes, what: str, where: np.ndarray) -> None:
    """Prototypes are large marks, many reconstructions small dots."""
    size, edge = (7.0, 0.8) if what == "prototypes" else (2.2, 0.0)
    mark = "D" if what == "prototypes" else "o"
    axes.plot(where[:, 0], where[:, 1], mark, color=COLOURS[6], markersize=size, markeredgewidth=edge, markeredgecolor="white")
