"""The matrix of a function of data that are no pictures."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from factorgraph.run.figures._style import FAINT, INK, LETTERS, fitted, new_figure, plain, title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from factorgraph.graph.model import FunctionNode
    from factorgraph.run.measured import Measured

MOST = 64  # units and values that can still be told apart
CELL, SIDES = 0.3, (1.2, 5.0)  # inches: one number, and the shortest and longest side of the matrix


def component_functions(on: Measured) -> tuple[str, ...]:
    """The functions with a small matrix that read or write an observed variable which is no picture.

    Neither those with slots nor the layers of a network: their first matrix is not the function's.
    """
    alone = [each for each in on.graph.functions.values() if each.id == each.spelled and "matrix" in each.parameters]
    return tuple(node.id for node in alone if _is_shown(on, node))


def _is_shown(on: Measured, node: FunctionNode) -> bool:
    given, made = math.prod(node.given), math.prod(node.result)
    sizes = _sizes(on)
    if on.convolves(node.spelled):
        return False
    return on.picture_shape(node.spelled) is None and max(given, made) <= MOST and (given in sizes or made in sizes)


def _sizes(on: Measured) -> set[int]:
    return {math.prod(each.shape) for each in on.graph.of_kind("observed") if on.picture_shape_of(each) is None}


def components(on: Measured, function: str) -> Figure:
    """One row a unit: what it writes or reads of the prepared data. Blue is negative, white is zero, red is positive."""
    node = on.graph.functions[function]
    matrix, sizes = on.matrix(function), _sizes(on)
    writes = node.role == "decoder" or (not node.role and math.prod(node.given) not in sizes)
    rows = (matrix.T if writes else matrix).double().numpy()
    width, height = (min(max(CELL * count, SIDES[0]), SIDES[1]) for count in rows.shape[::-1])
    figure = new_figure(width + 2, height + 2)
    across, up = figure.get_size_inches()
    axes = figure.add_axes((0.6 / across, 0.6 / up, width / across, height / up))
    largest = float(abs(rows).max()) or 1.0
    picture = axes.imshow(rows, cmap="RdBu_r", vmin=-largest, vmax=largest, aspect="auto", interpolation="nearest")
    plain(axes)
    axes.locator_params(integer=True, min_n_ticks=1)
    axes.set_xlabel("value of the data", fontsize=LETTERS, color=INK)
    axes.set_ylabel("unit", fontsize=LETTERS, color=INK)
    title(axes, f"{function}: {len(rows)} units", f"a row is what a unit {'writes' if writes else 'reads'}")
    bar = figure.colorbar(picture, cax=figure.add_axes(((0.75 + width) / across, 0.6 / up, 0.12 / across, height / up)))
    bar.set_label("weight", fontsize=LETTERS, color=INK)
    bar.ax.tick_params(labelsize=LETTERS)
    bar.outline.set_color(FAINT)
    return fitted(figure)
