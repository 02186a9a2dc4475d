"""Filters as a mosaic of small pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from factorgraph.lazy import np, torch
from factorgraph.run.figures._style import DOTS_PER_INCH, INK, LETTERS, new_figure, picture_axes, title

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

    from factorgraph.run.measured import Measured

MOST = 256  # pictures in one mosaic
GAP = 1  # of a filter's pixels, between pictures
APART = 6  # of the same, between mosaics
WIDEST = 9.0  # inches, about, of all mosaics of a figure together
WIDTH = 5.6  # inches, about: each of a filter's pixels becomes a whole number of dots


def filter_mosaic(on: Measured, function: str, used: bool = True) -> Figure:
    """The filters of one function in pixel space, each in greys of its own: middle grey is zero.

    Sorted by how much the code uses them, or by their norm while nothing is known of the code (``used`` false: nothing is
    inferred, so that a first picture comes at once).
    """
    filters = on.pixels(function)
    usage = _usage(on, function, len(filters)) if used else None
    rank = on.units(function).norm(dim=1) if usage is None else usage
    order = torch.argsort(rank, descending=True, stable=True)[:MOST]
    shown = f"{len(order)} of {len(filters)}" if len(order) < len(filters) else f"{len(filters)}"
    sorting = "largest first" if usage is None else "most used first"
    caption = f"{sorting}; each scaled to its own largest value, grey is 0"
    return mosaic_figure(filters[order], f"{function}: {shown} filter{'s' * (len(filters) != 1)}", caption)


def mosaic_figure(filters: Tensor, heading: str, caption: str) -> Figure:
    """Filters (filters, [channels,] height, width) as a figure of whole dots per pixel."""
    picture = mosaic(filters)
    dots = max(1, round(WIDTH * DOTS_PER_INCH / picture.shape[1]))
    width, height = (side * dots / DOTS_PER_INCH for side in (picture.shape[1], picture.shape[0]))
    margin, above = 0.12, 0.55
    figure = new_figure(max(width, 4.2) + 2 * margin, height + above + margin)
    axes = picture_axes(figure, margin, margin, width, height)
    axes.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest", aspect="auto")
    title(axes, heading, caption)
    return figure


def mosaics_figure(parts: Sequence[Tensor], heading: str, caption: str) -> Figure:
    """Several mosaics beside each other, the number of filters below each; a pixel is as large in all of them."""
    pictures = [mosaic(each[:MOST]) for each in parts]
    between, margin, above, below = APART, 0.12, 0.6, 0.25
    wide = sum(each.shape[1] + between for each in pictures) - between
    dots = max(1, round(WIDEST * DOTS_PER_INCH / wide))
    inches = dots / DOTS_PER_INCH
    height = max(each.shape[0] for each in pictures) * inches
    figure = new_figure(max(wide * inches, 4.2) + 2 * margin, height + above + below)
    whole = picture_axes(figure, margin, 0, wide * inches, height + below)
    title(whole, heading, caption)
    left = margin
    for filters, picture in zip(parts, pictures, strict=True):
        high, across = (side * inches for side in picture.shape[:2])
        axes = picture_axes(figure, left, below + height - high, across, high)
        axes.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest", aspect="auto")
        place = 0.5, -0.05 / high
        axes.text(*place, f"{len(filters)}", transform=axes.transAxes, ha="center", va="top", fontsize=LETTERS, color=INK)
        left += across + between * inches
    return figure


def mosaic(filters: Tensor) -> np.ndarray:
    """One picture of all filters: (height, width) or (height, width, 3), values 0 to 1, white between, zero is 0.5.

    Channels other than three are averaged. Rows are filled first; an unfinished last row stays white.
    """
    count = len(filters)
    pictures = _with_channels_last(filters.detach().cpu().double().numpy())
    largest = np.abs(pictures).reshape(count, -1).max(axis=1).reshape(-1, *[1] * (pictures.ndim - 1))
    greys = 0.5 + pictures / np.where(largest > 0, 2 * largest, 1.0)
    high, wide = pictures.shape[1:3]
    columns = math.ceil(math.sqrt(count * high / wide)) if count > 1 else 1
    rows = math.ceil(count / columns)
    whole = np.ones((rows * (high + GAP) - GAP, columns * (wide + GAP) - GAP, *pictures.shape[3:]))
    for place, grey in enumerate(greys):
        top, left = place // columns * (high + GAP), place % columns * (wide + GAP)
        whole[top : top + high, left : left + wide] = grey
    return whole


def _with_channels_last(pictures: np.ndarray) -> np.ndarray:
    if pictures.ndim == 3:
        return pictures
    return np.moveaxis(pictures, 1, -1) if pictures.shape[1] == 3 else pictures.mean(axis=1)


def _usage(on: Measured, function: str, units: int) -> Tensor | None:
    """The mean magnitude of each unit, or map, of the latent on the function's other side: (units,); ``None``: none fits."""
    solved = on.solved(None)
    for key in (each.id for each in on.graph.of_kind("latent")):
        code = solved.variables[key]
        code = code.flatten(2).transpose(1, 2).flatten(0, 1) if on.convolves(function) and code.dim() == 4 else code.flatten(1)
        if code.shape[1] == units and _touches(on, function, key):
            return code.double().abs().mean(0)
    return None


def _touches(on: Measured, function: str, latent: str) -> bool:
    """Whether the function is applied to the latent, or one of its values is compared with it."""
    ids = {node.id for node in on.graph.functions.values() if function in (node.spelled, node.id)}
    values = [key for key, each in on.graph.values.items() if getattr(each, "function", None) in ids]
    if any(on.graph.depends(key, frozenset({latent})) for key in values):
        return True
    return any(latent in factor.arguments and set(values) & set(factor.arguments) for factor in on.graph.factors.values())
