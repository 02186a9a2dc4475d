"""The energy over a plane, dark where it is low, with the data on top: the lecture's picture of an energy surface."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from factorgraph.errors import RunError, issue
from factorgraph.lazy import np, torch
from factorgraph.run.figures._style import COLOURS, FAINT, INK, LETTERS, fitted, new_figure, plain, title
from factorgraph.run.pairs import compared_pair, is_reconstruction, sources

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

    from factorgraph.run.measured import Measured

SIDE = 160  # grid points an axis
MARGIN = 0.15  # of the data's extent, around it
POINTS = 1000  # of the data that are drawn
BRIGHTEST = 80  # percentile of the grid's energies that is white: what is far away would leave no greys to what is near


def plane_variable(on: Measured) -> str | None:
    """The name of the observed variable, if it is the only one and has two units."""
    observed = on.graph.of_kind("observed")
    return observed[0].name if len(observed) == 1 and observed[0].shape == (2,) else None


@dataclass(frozen=True)
class Plane:
    """A grid of rows in the space of one observed variable, and where held-out samples lie on it.

    ``across`` and ``up``: its two axes, (side,) each. ``given``: what the grid's rows observe, (side * side, *shape) by name.
    ``points``: (points, 2).
    """

    across: np.ndarray
    up: np.ndarray
    given: Mapping[str, np.ndarray]
    points: np.ndarray
    labels: tuple[str, str]

    @property
    def extent(self) -> tuple[float, float, float, float]:
        pad = (self.across[1] - self.across[0]) / 2
        return self.across[0] - pad, self.across[-1] + pad, self.up[0] - pad, self.up[-1] + pad

    def energies(self, on: Measured, procedure: str | None = None) -> np.ndarray:
        """The energy that a procedure leaves at each point: (up, across)."""
        found = on.energies(on.inferred(procedure, self.given)).double().numpy()
        return found.reshape(len(self.up), len(self.across))


def plane_of(on: Measured, name: str, side: int = SIDE) -> Plane:
    """The plane of a variable of two units; of a larger one the plane through its first, middle and last held-out sample.

    What else is observed is as in the first sample. Raises RunError FG427 where no plane goes through the samples.
    """
    rows = on.given[name].reshape(len(on.given[name]), -1).astype(np.float32)
    whole = rows.shape[1] == 2
    origin, axes = (np.zeros(2, np.float32), np.eye(2, dtype=np.float32)) if whole else _through(rows, name)
    points = (rows if whole else rows[_three(rows)]) - origin
    points = points @ axes.T
    low, high = points.min(axis=0), points.max(axis=0)
    reach = float((high - low).max()) * (0.5 + MARGIN) or 1.0  # a square, so that circles stay round
    across, up = (np.linspace(middle - reach, middle + reach, side, dtype=np.float32) for middle in (low + high) / 2)
    grid = origin + np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2) @ axes
    others = {key: np.repeat(each[:1], len(grid), axis=0) for key, each in on.seen.items() if key != name}
    labels = (f"{name}, first unit", f"{name}, second unit") if whole else (f"{name}, along the first side", "away from it")
    return Plane(across, up, {**others, name: grid.reshape(-1, *on.given[name].shape[1:])}, points, labels)


def _three(rows: np.ndarray) -> np.ndarray:
    return np.linspace(0, len(rows) - 1, 3).round().astype(int)


def _through(rows: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """A point of the plane through three rows, and two directions of length 1 at a right angle: (2, units)."""
    first, second, third = rows[_three(rows)].astype(np.float64)
    along = second - first
    length = np.linalg.norm(along)
    along = along / (length or 1)
    away = third - first - ((third - first) @ along) * along
    height = np.linalg.norm(away)
    if min(length, height) <= 1e-6 * np.linalg.norm(rows, axis=1).max():
        what = f"no plane goes through the first, middle and last held-out sample of {name}: they lie on a line"
        raise RunError(issue("FG427", what, ("figures",)))
    return first.astype(np.float32), np.stack([along, away / height]).astype(np.float32)


def scale_of(energy: np.ndarray) -> tuple[float, float]:
    """The energies that are black and white."""
    known = energy[np.isfinite(energy)]
    dark, white = (float(known.min()), float(np.percentile(known, BRIGHTEST))) if len(known) else (0.0, 1.0)
    return dark, white if white > dark else dark + 1


def draw_surface(axes: Axes, plane: Plane, energy: np.ndarray, scale: tuple[float, float]) -> AxesImage:
    """The greys of a surface on axes of the plane's extent."""
    dark, white = scale
    extent = plane.extent
    picture = axes.imshow(energy, cmap="gray", vmin=dark, vmax=white, extent=extent, origin="lower", interpolation="bilinear")
    plain(axes)
    axes.set_aspect("equal")
    axes.set_xlim(extent[:2])
    axes.set_ylim(extent[2:])
    return picture


def draw_bar(figure: Figure, picture: AxesImage, place: tuple[float, float, float, float]) -> None:
    """Which grey is which energy."""
    bar = figure.colorbar(picture, cax=figure.add_axes(place))
    bar.set_label("energy", fontsize=LETTERS, color=INK)
    bar.ax.tick_params(labelsize=LETTERS)
    bar.outline.set_color(FAINT)
    bar.outline.set_linewidth(0.8)


def energy_surface(on: Measured, name: str) -> Figure:
    """The energy that the first procedure leaves at each point of a grid, with what was learned on top.

    That is where the prototypes lie, of a function of a one-hot code, or what the model makes of each data point. Infers
    SIDE x SIDE rows.
    """
    plane = plane_of(on, name)
    energy = plane.energies(on)
    some = np.unique(np.linspace(0, len(plane.points) - 1, POINTS).round().astype(int))
    learned, scale = _learned(on, name, some), scale_of(energy)
    figure = new_figure(5.6, 5.2)
    axes = figure.add_axes((0.125, 0.095, 0.715, 0.77))
    picture = draw_surface(axes, plane, energy, scale)
    axes.plot(*plane.points[some].T, "o", color=COLOURS[5], markersize=2.6, markeredgewidth=0)
    if learned is not None:
        _draw_learned(axes, *learned)
    axes.set_xlabel(plane.labels[0], fontsize=LETTERS, color=INK)
    axes.set_ylabel(plane.labels[1], fontsize=LETTERS, color=INK)
    seen = "" if learned is None else f", blue: {learned[0]}"
    title(axes, "Energy surface", f"dark is low, all above {scale[1]:.3g} is white; orange: data{seen}")
    draw_bar(figure, picture, (0.865, 0.095, 0.03, 0.77))
    return fitted(figure)


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


def _draw_learned(axes: Axes, what: str, where: np.ndarray) -> None:
    """Prototypes are large marks, many reconstructions small dots."""
    size, edge = (7.0, 0.8) if what == "prototypes" else (2.2, 0.0)
    mark = "D" if what == "prototypes" else "o"
    axes.plot(where[:, 0], where[:, 1], mark, color=COLOURS[6], markersize=size, markeredgewidth=edge, markeredgecolor="white")
