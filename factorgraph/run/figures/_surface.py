"""The energy over a plane, dark where it is low, with the data on top: the lecture's picture of an energy surface."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factorgraph.lazy import np
from factorgraph.run.figures._style import FAINT, INK, LETTERS, new_figure, plain, title

if TYPE_CHECKING:
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
    """The energy that the first procedure leaves at each point of a grid. Infers SIDE x SIDE rows."""
    points = on.given[name]
    low, high = points.min(axis=0), points.max(axis=0)
    centre, reach = (low + high) / 2, float((high - low).max()) * (0.5 + MARGIN) or 1.0  # a square, so that circles stay round
    across, up = (np.linspace(middle - reach, middle + reach, SIDE, dtype=np.float32) for middle in centre)
    grid = np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2)
    energy = on.energies(on.inferred(None, {name: grid})).double().numpy().reshape(SIDE, SIDE)
    return _surface_figure(across, up, energy, points, name)


def _surface_figure(across: np.ndarray, up: np.ndarray, energy: np.ndarray, points: np.ndarray, name: str) -> Figure:
    known = energy[np.isfinite(energy)]
    dark, white = (float(known.min()), float(np.percentile(known, BRIGHTEST))) if len(known) else (0.0, 1.0)
    figure = new_figure(5.6, 5.2)
    axes = figure.add_axes((0.125, 0.095, 0.715, 0.77))
    pad = (across[1] - across[0]) / 2
    extent = (across[0] - pad, across[-1] + pad, up[0] - pad, up[-1] + pad)
    white = white if white > dark else dark + 1
    picture = axes.imshow(
        energy, cmap="gray", vmin=dark, vmax=white, extent=extent, origin="lower", interpolation="bilinear"
    )
    some = points[np.unique(np.linspace(0, len(points) - 1, POINTS).round().astype(int))]
    axes.plot(some[:, 0], some[:, 1], "o", color="#E69F00", markersize=2.6, markeredgewidth=0)
    plain(axes)
    axes.set_aspect("equal")
    axes.set_xlabel(f"{name}, first unit", fontsize=LETTERS, color=INK)
    axes.set_ylabel(f"{name}, second unit", fontsize=LETTERS, color=INK)
    title(axes, "Energy surface", f"dark is low, all above {white:.3g} is white; dots are data")
    bar = figure.colorbar(picture, cax=figure.add_axes((0.865, 0.095, 0.03, 0.77)))
    bar.ax.tick_params(labelsize=LETTERS)
    bar.outline.set_color(FAINT)
    bar.outline.set_linewidth(0.8)
    return figure
