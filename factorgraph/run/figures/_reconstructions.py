"""Held-out inputs above what the model makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factorgraph.graph.model import Constant, Variable
from factorgraph.lazy import np, torch
from factorgraph.run.figures._style import INK, LETTERS, new_figure, picture_axes, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from torch import Tensor

    from factorgraph.run.measured import Measured

COLUMNS, BANDS = 12, 3
CELL, BETWEEN, GUTTER = 0.5, 0.05, 0.22  # inches: a picture, the gap to its pair, the gap to the next band
LABELS = 1.05  # inches on the left


def compared_pictures(on: Measured) -> tuple[str, str] | None:
    """An observed picture and what the first factor that compares it with anything computed compares it with: two value ids."""
    for factor in on.graph.factors.values():
        if len(factor.arguments) != 2:
            continue
        for observed, made in (factor.arguments, factor.arguments[::-1]):
            one, other = on.graph.values[observed], on.graph.values[made]
            pictured = isinstance(one, Variable) and one.kind == "observed" and on.picture_shape_of(one) is not None
            computed = not isinstance(other, Constant) and not (isinstance(other, Variable) and other.kind != "derived")
            if pictured and computed and not on.graph.depends(observed, frozenset({made})):
                return observed, made
    return None


def reconstructions(on: Measured, observed: str, made: str) -> Figure:
    """36 samples, evenly spaced over the split, and their reconstructions; each pair shares one scale of greys."""
    inputs, outputs = on.value(observed).flatten(1), on.value(made).flatten(1)
    error = float((inputs - outputs).double().square().sum() / inputs.double().square().sum().clamp_min(1e-300))
    rows = np.unique(np.linspace(0, len(inputs) - 1, COLUMNS * BANDS).round().astype(int))
    pairs = [on.unprepared(on.graph.variables[observed], each[rows]) for each in (inputs, outputs)]
    caption = f"{len(rows)} of {len(inputs)} {on.split} samples; squared error {error:.1%} of the prepared input's square"
    return _pairs_figure(pairs[0], pairs[1], caption)


def _pairs_figure(above: Tensor, below: Tensor, caption: str) -> Figure:
    columns = min(COLUMNS, len(above))
    bands = -(-len(above) // columns)
    band = 2 * CELL + BETWEEN
    width, height = LABELS + columns * (CELL + BETWEEN) + 0.1, bands * (band + GUTTER) + 0.55
    figure = new_figure(max(width, 4.5), height)
    whole = picture_axes(figure, 0.12, 0, width - 0.12, height - 0.55)
    title(whole, "Inputs and reconstructions", caption)
    for place, (one, two) in enumerate(zip(above, below, strict=True)):
        left = LABELS + place % columns * (CELL + BETWEEN)
        bottom = height - 0.55 - (place // columns) * (band + GUTTER) - band
        low, high = float(torch.minimum(one, two).min()), float(torch.maximum(one, two).max())
        for picture, lift, name in ((one, CELL + BETWEEN, "input"), (two, 0.0, "reconstruction")):
            axes = picture_axes(figure, left, bottom + lift, CELL, CELL)
            _show(axes, picture, low, high)
            if place % columns == 0:
                axes.text(-0.1, 0.5, name, transform=axes.transAxes, ha="right", va="center", fontsize=LETTERS, color=INK)
    return figure


def _show(axes: Axes, picture: Tensor, low: float, high: float) -> None:
    values = picture.numpy()
    if values.ndim == 3:
        values = np.moveaxis(values, 0, -1) if len(values) == 3 else values.mean(axis=0)
    span = high - low if high > low else 1.0
    axes.imshow((values - low) / span, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
