"""Held-out pictures above what the model makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factorgraph.lazy import np, torch
from factorgraph.run.figures._style import INK, LETTERS, fitted, new_figure, picture_axes, title
from factorgraph.run.pairs import Pair, as_compared, compared_pair, cropped, is_reconstruction

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from torch import Tensor

    from factorgraph.run.measured import Measured

COLUMNS, BANDS = 12, 3
CELL, BETWEEN, GUTTER = 0.5, 0.05, 0.22  # inches: a picture, the gap to its pair, the gap to the next band
LABELS = 1.05  # inches on the left
LONGEST = 24  # letters of an expression beside a row
CLIPPED = 1.0  # % of all shown values that are black, and as many that are white


def compared_pictures(on: Measured) -> Pair | None:
    """An observed picture and what the first factor that compares it with anything computed compares it with: two value ids."""
    return compared_pair(on, lambda variable: on.picture_shape_of(variable) is not None)


def reconstructions(on: Measured, observed: str, made: str) -> Figure:
    """36 samples, evenly spaced over the split, above their reconstructions or predictions; all share one scale.

    The error is the share of the prepared pictures' variance that is left: that of the mean picture is 100 %. A border that no
    factor compares is neither shown nor counted.
    """
    inputs, outputs = (on.value(each).flatten(1) for each in as_compared(on.graph, (observed, made)))
    rows = np.unique(np.linspace(0, len(inputs) - 1, COLUMNS * BANDS).round().astype(int))
    whole = (on.unprepared(on.graph.variables[observed], on.value(each).flatten(1)[rows]) for each in (observed, made))
    above, below = (cropped(on, (observed, made), each) for each in whole)
    caption = f"{len(rows)} of {len(inputs)} {on.split} samples, one scale of brightness for all{_left_over(inputs, outputs)}"
    if is_reconstruction(on, (observed, made)):
        return _pairs_figure(above, below, ("input", "reconstruction"), "Inputs and reconstructions", caption)
    names = _short(observed), _short(made)
    return _pairs_figure(above, below, names, f"{names[0]} and {names[1]}", caption)


def _left_over(inputs: Tensor, outputs: Tensor) -> str:
    variance = float((inputs - inputs.mean(0)).double().square().sum())
    if not variance:
        return ""
    error = float((inputs - outputs).double().square().sum())
    return f"; the squared error is {error / variance:.1%} of the prepared pictures' variance"


def _short(expression: str) -> str:
    return expression if len(expression) <= LONGEST else expression[: LONGEST - 1] + "…"


def _pairs_figure(above: Tensor, below: Tensor, names: tuple[str, str], heading: str, caption: str) -> Figure:
    columns = min(COLUMNS, len(above))
    bands = -(-len(above) // columns)
    band = 2 * CELL + BETWEEN
    width, height = LABELS + columns * (CELL + BETWEEN) + 0.1, bands * (band + GUTTER) + 0.55
    figure = new_figure(max(width, 4.5), height)
    whole = picture_axes(figure, 0.12, 0, width - 0.12, height - 0.55)
    title(whole, heading, caption)
    low, high = np.percentile(torch.stack([above, below]).numpy(), (CLIPPED, 100 - CLIPPED))
    for place, pair in enumerate(zip(above, below, strict=True)):
        left = LABELS + place % columns * (CELL + BETWEEN)
        bottom = height - 0.55 - (place // columns) * (band + GUTTER) - band
        for picture, lift, name in zip(pair, (CELL + BETWEEN, 0.0), names, strict=True):
            axes = picture_axes(figure, left, bottom + lift, CELL, CELL)
            show(axes, picture, float(low), float(high))
            if place % columns == 0:
                axes.text(-0.1, 0.5, name, transform=axes.transAxes, ha="right", va="center", fontsize=LETTERS, color=INK)
    return fitted(figure)


def show(axes: Axes, picture: Tensor, low: float, high: float) -> None:
    """A picture ([channels,] height, width), black at ``low`` and white at ``high``."""
    values = picture.numpy()
    if values.ndim == 3:
        values = np.moveaxis(values, 0, -1) if len(values) == 3 else values.mean(axis=0)
    span = high - low if high > low else 1.0
    axes.imshow(np.clip((values - low) / span, 0, 1), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
