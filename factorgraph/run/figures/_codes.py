"""How active the code is, or how much it varies: what its values are, and how the work is shared out among its units."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factorgraph.lazy import np
from factorgraph.metrics._base import SILENT, active_units
from factorgraph.run.figures._maps import has_maps
from factorgraph.run.figures._style import COLOURS, FAINT, INK, LETTERS, fitted, new_figure, plain, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from torch import Tensor

    from factorgraph.run.measured import Measured

BINS = 61
DENSE = 0.9  # share of active entries from which activity tells nothing


def code_histogram(on: Measured, latent: str) -> Figure:
    """The values of one latent, and what each of its units does.

    Of a sparse code the values of the active units, and how often each is active, or each map of them at one of its places; of a
    dense one all values, and how much each unit varies over the samples. One-hot and binary codes have no values to show.
    """
    code = on.solved(None).variables[latent].double().flatten(1)
    active = active_units(code)
    often = active.double().mean(0)
    what = "map" if has_maps(on, latent) else "unit"
    if what == "map":
        often = often.reshape(on.graph.variables[latent].shape).mean((1, 2))
    if on.graph.variables[latent].domain in ("one_hot", "binary"):  # all active values are 1
        figure = new_figure(4.6, 3.4)
        _usage(figure.add_axes((0.13, 0.15, 0.82, 0.67)), often, latent, what)
        return fitted(figure)
    figure = new_figure(8.4, 3.4)
    left, right = figure.add_axes((0.08, 0.15, 0.37, 0.67)), figure.add_axes((0.575, 0.15, 0.4, 0.67))
    share = float(active.double().mean())
    if share < DENSE:
        title(left, f"Values of {latent} where it is active", f"{share:.1%} of all entries are; the rest is not shown")
        _values(left, code[active], log=True)
        _usage(right, often, latent, what)
    else:
        title(left, f"Values of {latent}", f"{share:.1%} of all entries are active; mean {float(code.mean()):.3g}")
        _values(left, code.flatten(), log=False)
        _deviations(right, code.std(0, correction=0), latent)
    return fitted(figure)


def _values(axes: Axes, values: Tensor, log: bool) -> None:
    if len(values):
        largest = float(values.abs().max())
        low = -largest if float(values.min()) < 0 else 0.0
        edges = np.linspace(low, largest * (1 + 1e-9), BINS + 1).tolist()
        axes.hist(values.numpy(), bins=edges, color="#606060", log=log)
        if low < 0:
            axes.axvline(0, color=FAINT, linewidth=0.8)
    axes.set_xlabel("value", fontsize=LETTERS, color=INK)
    axes.set_ylabel("entries (log scale)" if log else "entries", fontsize=LETTERS, color=INK)
    plain(axes)


def _usage(axes: Axes, often: Tensor, latent: str, what: str) -> None:
    """(units,) shares of samples, or (maps,) shares of samples and places."""
    order = often.sort(descending=True).values.numpy()
    dead = int((order == 0).sum())
    counted = "all at times" if dead == 0 else f"{dead} of {len(order)} never"
    among = "samples" if what == "unit" else "samples and places"
    title(axes, f"How often each {what} of {latent} is active", f"{counted}; on average {order.mean():.1%} of {among}")
    _steps(axes, order * 100, f"{what}, most used first", f"% of {among}")


def _deviations(axes: Axes, deviations: Tensor, latent: str) -> None:
    """(units,) standard deviations over the samples."""
    order = deviations.sort(descending=True).values.numpy()
    still = int((order <= SILENT * order.max()).sum())
    counted = "all do" if still == 0 else f"{still} of {len(order)} do not"
    title(axes, f"How much each unit of {latent} varies", f"{counted}; the first {order[0]:.3g}, the last {order[-1]:.3g}")
    _steps(axes, order, "unit, most varying first", "standard deviation over samples")


def _steps(axes: Axes, order: np.ndarray, below: str, left: str) -> None:
    heights = np.append(order, order[-1:])
    axes.fill_between(np.arange(len(order) + 1), heights, step="post", color=COLOURS[2], alpha=0.75, linewidth=0)
    axes.set_xlim(0, len(order))
    axes.locator_params("x", integer=True)
    axes.set_ylim(0, max(float(order.max()) * 1.05, 1e-5))
    axes.set_xlabel(below, fontsize=LETTERS, color=INK)
    axes.set_ylabel(left, fontsize=LETTERS, color=INK)
    plain(axes)
