"""Probabilities over a plane."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.lazy import np, torch
from factorgraph.run.figures._figure import FigureLeaf

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from factorgraph.compile.summed import Summed
    from factorgraph.run.claims import States
    from factorgraph.spec import blocks
    from factorgraph.spec.schema import Spec

POINTS = 300  # of the data that are drawn


class Density(FigureLeaf):
    r"""Shows the density that an energy means, side by side for several procedures that sum it on a grid: one for each beta.

    .. math:: P(Y) = \frac{1}{Z} \sum_Z e^{-\beta E(Y, Z)}

    Dark is likely, each panel scaled to its own largest density; orange dots are held-out samples.

    Source: LeCun, Chopra, Hadsell, Ranzato & Huang, A Tutorial on Energy-Based Learning, 2006, section 1.3.
    """

    type: Literal["density"] = "density"

    shows: ClassVar[Literal["claim", "value", "units", "procedures"]] = "procedures"

    def draw(self, name: str, asked: blocks.Figure, spec: Spec, states: States) -> Figure | None:
        from factorgraph.run.claims import NotMeasuredError
        from factorgraph.run.figures._style import fitted, new_figure, title
        from factorgraph.run.figures._surface import plane_variable

        try:
            on = states("")
        except NotMeasuredError:
            return None
        figure, count = new_figure(0.6 + 2.9 * len(asked.of), 3.7), len(asked.of)
        plane = plane_variable(on)
        dots = None if plane is None else on.given[plane][:POINTS]
        for place, key in enumerate(map(str, asked.of)):
            with torch.no_grad():
                summed = on.model.summed(key)
                across, up, density = _plane(summed, name)
            axes = figure.add_axes((0.075 + place * 0.925 / count, 0.13, 0.79 / count, 0.64))
            _panel(axes, across, up, density, dots)
            title(axes, f"beta {summed.sum.beta:g}", f"at most {density.max():.3g}; orange: data")
        return fitted(figure)


def _plane(summed: Summed, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The two axes of the grid and the density on it, (up, across), all else summed out. Raises RunError FG427."""
    from factorgraph.errors import RunError, issue

    places, chances = zip(*summed.chances(), strict=True)
    points = torch.cat(places).cpu().numpy()
    if points.shape[1] != 2:
        what = f"a density is drawn over the two units of a plane, and {name} has {points.shape[1]} on its grid"
        raise RunError(issue("FG427", what))
    across, column = np.unique(points[:, 0], return_inverse=True)
    up, row = np.unique(points[:, 1], return_inverse=True)
    found = np.zeros((len(up), len(across)))
    np.add.at(found, (row.reshape(-1), column.reshape(-1)), torch.cat(chances).cpu().numpy())
    return across, up, found / ((across[1] - across[0]) * (up[1] - up[0]))


def _panel(axes: Axes, across: np.ndarray, up: np.ndarray, density: np.ndarray, dots: np.ndarray | None) -> None:
    from factorgraph.run.figures._style import COLOURS, plain

    pad = (across[1] - across[0]) / 2
    extent = (across[0] - pad, across[-1] + pad, up[0] - pad, up[-1] + pad)
    axes.imshow(density, cmap="gray_r", vmin=0, extent=extent, origin="lower", interpolation="nearest")
    if dots is not None:
        axes.plot(dots[:, 0], dots[:, 1], "o", color=COLOURS[5], markersize=1.2, alpha=0.5, markeredgewidth=0)
    plain(axes)
    axes.set_aspect("equal")
