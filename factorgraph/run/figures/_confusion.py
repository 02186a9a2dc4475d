"""Which classes are taken for which."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factorgraph.lazy import np
from factorgraph.run.figures._style import INK, LETTERS, fitted, new_figure, title
from factorgraph.run.labels import confusions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from factorgraph.run.measured import Measured

CELL = 0.42  # inches
MOST = 20  # classes whose counts can be read


def confusion(on: Measured, factor: str) -> Figure | None:
    """A square of cells, a row for each true class, a column for what it was taken for, darker by its share of the row."""
    found = next((each for each in confusions(on) if each.factor == factor), None)
    if found is None or not found.rows or len(found.true) > MOST:
        return None
    counts = found.counts.numpy()
    shares = counts / np.maximum(found.true.numpy(), 1)[:, None]
    classes = len(counts)
    side = CELL * classes
    figure = new_figure(side + 2, side + 2)
    axes = figure.add_axes((1 / (side + 2), 1 / (side + 2), side / (side + 2), side / (side + 2)))
    axes.imshow(shares, cmap="Greys", vmin=0, vmax=1)
    for row in range(classes):
        for column in range(classes):
            if counts[row, column]:
                ink = "white" if shares[row, column] > 0.5 else INK
                axes.text(column, row, str(counts[row, column]), ha="center", va="center", fontsize=LETTERS - 1, color=ink)
    axes.set_xticks(range(classes))
    axes.set_yticks(range(classes))
    axes.tick_params(labelsize=LETTERS, colors=INK, length=0)
    axes.set_xlabel(f"taken for, by {found.factor}", fontsize=LETTERS, color=INK)
    axes.set_ylabel(found.label, fontsize=LETTERS, color=INK)
    title(axes, f"{found.error:.2%} wrong", f"of {found.rows} held-out samples; a row is a true class")
    return fitted(figure)
