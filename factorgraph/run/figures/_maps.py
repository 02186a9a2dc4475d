"""The maps of a code, each answer in its place, beside the pictures that they stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factorgraph.lazy import np
from factorgraph.run.figures._style import INK, LETTERS, fitted, new_figure, picture_axes, title
from factorgraph.run.pairs import Pair

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

    from factorgraph.run.measured import Measured

SAMPLES, MOST = 4, 8  # rows, and maps in each
CELL, BETWEEN, ABOVE = 1.0, 0.07, 0.85  # inches
LARGEST = 99.5  # % of the answers that are not 0 are within the scale


def has_maps(on: Measured, latent: str) -> bool:
    """Whether a latent is maps of answers, each of which has a place."""
    shape = on.graph.variables[latent].shape
    return len(shape) == 3 and min(shape[1:]) > 1


def feature_maps(on: Measured, latent: str, pair: Pair | None) -> Figure:
    """A few samples, each with the maps that all samples use most. Red answers are positive, blue ones negative.

    ``pair``: an observed picture and what stands for it, which are shown before the maps.
    """
    code = on.solved(None).variables[latent].double()
    rows = np.unique(np.linspace(0, len(code) - 1, SAMPLES).round().astype(int))
    order = code.abs().mean((0, 2, 3)).argsort(descending=True, stable=True)[:MOST]
    pictures = [] if pair is None else [_pictures(on, pair[0], each, rows) for each in pair]
    names = ["picture", "from the code"][: len(pictures)] + [f"map {int(each)}" for each in order]
    width, height = len(names) * (CELL + BETWEEN) + 0.2, len(rows) * (CELL + BETWEEN) + ABOVE + 0.1
    figure = new_figure(max(width, 4.5), height)
    whole = picture_axes(figure, 0.12, 0, width - 0.12, height - 0.55)
    several = f"{len(order)} map{'s' * (len(order) != 1)}"
    shown = f"the {len(order)} most used of {code.shape[1]} maps" if len(order) < code.shape[1] else several
    title(whole, f"{latent} in its place: {shown}", "red is positive, blue negative, white 0; one scale for all maps")
    active = code[code != 0].abs().numpy()
    largest = float(np.percentile(active, LARGEST)) if len(active) else 1.0
    for place, row in enumerate(rows):
        bottom = height - ABOVE - place * (CELL + BETWEEN) - CELL
        for column, name in enumerate(names):
            axes = picture_axes(figure, 0.12 + column * (CELL + BETWEEN), bottom, CELL, CELL)
            if column < len(pictures):
                axes.imshow(pictures[column][place], cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            else:
                values = code[row, order[column - len(pictures)]].numpy()
                axes.imshow(values, cmap="RdBu_r", vmin=-largest, vmax=largest, interpolation="nearest")
                axes.set_axis_on()
                axes.set_xticks([])
                axes.set_yticks([])
            if place == 0:
                axes.text(0.5, 1.05, name, transform=axes.transAxes, ha="center", va="bottom", fontsize=LETTERS, color=INK)
    return fitted(figure)


def _pictures(on: Measured, observed: str, value: str, rows: np.ndarray) -> np.ndarray:
    """Samples of a value as pictures, (rows, height, width[, 3]), from 0 to 1 over the range of the observed ones."""
    seen, found = (on.unprepared(on.graph.variables[observed], _flat(on, each)[rows]).numpy() for each in (observed, value))
    low, high = np.percentile(seen, (1, 99))
    scaled = np.clip((found - low) / (high - low if high > low else 1.0), 0, 1)
    if scaled.ndim == 4:
        scaled = np.moveaxis(scaled, 1, -1) if scaled.shape[1] == 3 else scaled.mean(axis=1)
    return np.asarray(scaled)


def _flat(on: Measured, value: str) -> Tensor:
    return on.value(value).flatten(1)
