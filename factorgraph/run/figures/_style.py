"""The one doorway to matplotlib: sizes, letters, greys and colours of every figure; no pyplot, no window, no global state."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DOTS_PER_INCH = 150
AROUND = 0.1  # inches of white around a fitted figure
LETTERS, TITLE = 9.0, 11.0  # points; nothing is smaller than LETTERS - 1
COLOURS = ("#000000", "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # told apart by most colour-blind people
STROKES = ("-", "--", "-.", ":")  # and in grey by their stroke
CAPTION = "caption"  # the name by which a caption is found again
MOST_WORDS = 1000  # characters of what a figure says of itself
INK, QUIET, FAINT = "#222222", "#555555", "#B0B0B0"


def new_figure(width: float, height: float) -> Figure:
    """An empty white figure of so many inches, drawn by Agg."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DOTS_PER_INCH, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def png(figure: Figure) -> bytes:
    """The figure as the bytes of a PNG file, the same for the same figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH, metadata={"Software": "factorgraph", "Description": in_words(figure)})
    return buffer.getvalue()


def in_words(figure: Figure) -> str:
    """What a figure says in letters, for those who cannot see it: titles, captions, what the axes are, and the key."""
    said: list[str] = []
    for axes in figure.axes:
        captions = [each.get_text() for each in axes.texts if each.get_gid() == CAPTION]
        over = {"across": axes.get_xlabel(), "up": axes.get_ylabel()}
        legend = axes.get_legend()
        key = ", ".join(each.get_text() for each in legend.get_texts()) if legend is not None else ""
        said += [axes.get_title("left") or axes.get_title(), *captions]
        said += [f"{way}: {label}" for way, label in over.items() if label] + ([f"key: {key}"] if key else [])
    return ". ".join(dict.fromkeys(" ".join(each.split()) for each in said if each.strip()))[:MOST_WORDS]


def fitted(figure: Figure) -> Figure:
    """The same figure, as large as what is drawn on it: its axes keep their size in inches, and no letter is cut off."""
    figure.draw_without_rendering()
    old, box = figure.get_size_inches(), figure.get_tightbbox()
    width, height = float(box.width) + 2 * AROUND, float(box.height) + 2 * AROUND
    places = [axes.get_position(original=True).bounds for axes in figure.axes]
    figure.set_size_inches(width, height)
    for axes, (left, bottom, across, up) in zip(figure.axes, places, strict=True):
        corner = (left * old[0] - box.x0 + AROUND) / width, (bottom * old[1] - box.y0 + AROUND) / height
        axes.set_position((*corner, across * old[0] / width, up * old[1] / height))
    return figure


def title(axes: Axes, text: str, caption: str = "") -> None:
    """A title at the left above the axes, and a smaller caption between the two."""
    axes.set_title(text, fontsize=TITLE, color=INK, loc="left", pad=20 if caption else 8)
    if caption:
        it = axes.annotate(caption, (0, 1), (0, 6), "axes fraction", "offset points", fontsize=LETTERS, color=QUIET, va="bottom")
        it.set_gid(CAPTION)


def plain(axes: Axes) -> None:
    """Two thin spines, readable letters, no frame."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(FAINT)
    axes.tick_params(labelsize=LETTERS, color=FAINT, labelcolor=INK)


def picture_axes(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Axes for pixels, given in inches: no ticks, no frame."""
    across, up = figure.get_size_inches()
    axes = figure.add_axes((left / across, bottom / up, width / across, height / up))
    axes.set_axis_off()
    return axes
