"""How active the code is: what its values are, and how the work is shared out among its units."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factorgraph.lazy import np
from factorgraph.metrics._base import active_units
from factorgraph.run.figures._style import COLOURS, FAINT, INK, LETTERS, new_figure, plain, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from torch import Tensor

    from factorgraph.run.measured import Measured

BINS = 61


def code_histogram(on: Measured, latent: str) -> Figure:
    """The values of the active units of one latent, and how often each unit is active, most used first."""
    code = on.solved(None).variables[latent].double().flatten(1)
    active = active_units(code)
    often = active.double().mean(0)
    if on.graph.variables[latent].domain in ("one_hot", "binary"):  # all active values are 1
        figure = new_figure(4.6, 3.4)
        _usage(figure.add_axes((0.13, 0.15, 0.82, 0.67)), often, latent)
        return figure
    figure = new_figure(8.4, 3.4)
    _values(figure.add_axes((0.08, 0.15, 0.37, 0.67)), code[active], float(active.double().mean()), latent)
    _usage(figure.add_axes((0.575, 0.15, 0.4, 0.67)), often, latent)
    return figure


def _values(axes: Axes, values: Tensor, share: float, latent: str) -> None:
    title(axes, f"Values of {latent} where it is active", f"{share:.1%} of all entries are; the rest is not shown")
    if len(values):
        largest = float(values.abs().max())
        low = -largest if float(values.min()) < 0 else 0.0
        edges = np.linspace(low, largest * (1 + 1e-9), BINS + 1).tolist()
        axes.hist(values.numpy(), bins=edges, color="#606060", log=True)
        if low < 0:
            axes.axvline(0, color=FAINT, linewidth=0.8)
    axes.set_xlabel("value", fontsize=LETTERS, color=INK)
    axes.set_ylabel("entries (log scale)", fontsize=LETTERS, color=INK)
    plain(axes)


def _usage(axes: Axes, often: Tensor, latent: str) -> None:
    """(units,) shares of samples."""
    order = often.sort(descending=True).values.numpy()
    dead = int((order == 0).sum())
    counted = "all at times" if dead == 0 else f"{dead} of {len(order)} never"
    title(axes, f"How often each unit of {latent} is active", f"{counted}; on average {order.mean():.1%} of samples")
    heights = np.append(order, order[-1:]) * 100
    axes.fill_between(np.arange(len(order) + 1), heights, step="post", color=COLOURS[2], alpha=0.75, linewidth=0)
    axes.set_xlim(0, len(order))
    axes.locator_params("x", integer=True)
    axes.set_ylim(0, max(float(order.max()) * 105, 1e-3))
    axes.set_xlabel("unit, most used first", fontsize=LETTERS, color=INK)
    axes.set_ylabel("% of samples", fontsize=LETTERS, color=INK)
    plain(axes)
