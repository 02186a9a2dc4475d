"""A reconstruction put together unit by unit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from factorgraph.lazy import np, torch
from factorgraph.run.figures._figure import FigureLeaf

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

    from factorgraph.graph.model import Variable
    from factorgraph.run.claims import States
    from factorgraph.run.measured import Measured
    from factorgraph.spec import blocks
    from factorgraph.spec.schema import Spec

SAMPLES = 8
STEPS = (1, 2, 3, 4, 5, 10, 20)  # units that are let in
CELL, GAP = 0.55, 0.05  # inches


class Progressive(FigureLeaf):
    """Shows held-out samples, and what a function makes of their codes as more and more units are let in, the loudest first.

    A unit is as loud as its value times the norm of what it writes. Of kernels, whose answers are maps, a whole map is let in at
    once, as loud as its norm times the kernel's. The first unit alone is what an image is taken for, the rest are its parts.
    A border that no factor compares is not shown.

    Source: Rolfe & LeCun, Discriminative Recurrent Sparse Auto-Encoders, ICLR 2013, section 4.
    """

    type: Literal["progressive"] = "progressive"

    def draw(self, name: str, asked: blocks.Figure, spec: Spec, states: States) -> Figure | None:
        from factorgraph.run.claims import NotMeasuredError
        from factorgraph.run.pairs import cropped

        try:
            on = states("")
        except NotMeasuredError:
            return None
        made, code, seen = _parts(on, str(asked.of[0]))
        solved = on.solved(asked.by)
        rows = np.unique(np.linspace(0, on.rows - 1, SAMPLES).round().astype(int))
        some = {key: each[rows] for key, each in solved.variables.items()}
        whole = some[code]
        rank = _rank(on, made, whole)
        shown = [some[seen.id]]
        steps = [each for each in STEPS if each < rank.shape[1]]
        for step in (*steps, rank.shape[1]):
            let_in = torch.where((rank < step).reshape(len(rows), -1, *[1] * (whole.dim() - 2)), whole, 0)
            part = replace(solved, variables={**some, code: let_in}, energy=solved.energy[rows])
            shown.append(on.evaluated(made, part))
        pictures = torch.stack([cropped(on, (seen.id, made), on.unprepared(seen, each.flatten(1))) for each in shown], 1)
        of = "units" if rank.shape[1] == whole[0].numel() else "maps"
        return _figure(pictures, name.replace("_", " "), [*map(str, steps), "all"], of)


def _parts(on: Measured, text: str) -> tuple[str, str, Variable]:
    """The value, the latent variable that it is made from, and the observed picture whose pixels it has. RunError FG428."""
    from factorgraph.errors import RunError, issue
    from factorgraph.graph.roles import unit_by_unit

    graph = on.graph
    latent = [each.id for each in graph.of_kind("latent") if text in graph.values and graph.depends(text, frozenset({each.id}))]
    observed = [each for each in graph.of_kind("observed") if on.picture_shape_of(each) is not None]
    alike = {each.id: unit_by_unit(graph, [each.id]) for each in observed}
    fits = [each for each in observed if text in alike[each.id]]
    if len(latent) != 1 or not fits:
        what = f'"{text}" is no picture that is made from one latent variable and compared with an observed one'
        latents = frozenset(each.id for each in graph.of_kind("latent"))
        made = (key for key in graph.values if any(key in each for each in alike.values()) and graph.depends(key, latents))
        raise RunError(issue("FG428", what, ("figures",), allowed=", ".join(made)))
    return text, latent[0], fits[0]


def _rank(on: Measured, made: str, code: Tensor) -> Tensor:
    """The place of each unit, or map, of each row in the order of loudness, 0 first: (rows, units), or (rows, maps)."""
    node = on.graph.functions.get(getattr(on.graph.values[made], "function", ""))
    name = "" if node is None else node.spelled
    drawn = name in on.pictured_functions()
    by_map = drawn and code.dim() == 4 and on.convolves(name)
    flat = code.double().flatten(2).norm(dim=2) if by_map else code.flatten(1).double().abs()
    if drawn and len(on.units(name)) == flat.shape[1]:
        flat = flat * on.units(name).double().norm(dim=1)
    return flat.argsort(dim=1, descending=True, stable=True).argsort(dim=1)


def _figure(pictures: Tensor, heading: str, names: list[str], of: str) -> Figure:
    """Pictures (rows, columns, *shape): the sample, then what is made of the first units."""
    from factorgraph.run.figures._reconstructions import CLIPPED, show
    from factorgraph.run.figures._style import INK, LETTERS, fitted, new_figure, picture_axes, title

    rows, columns = pictures.shape[:2]
    width, height = columns * (CELL + GAP) + 0.6, rows * (CELL + GAP) + 0.9
    figure = new_figure(width, height)
    whole = picture_axes(figure, 0.1, 0, width - 0.2, height - 0.7)
    title(whole, heading, f"{of} let in, the loudest first; one scale of brightness")
    low, high = np.percentile(pictures.numpy(), (CLIPPED, 100 - CLIPPED))
    for row in range(rows):
        for column in range(columns):
            left = 0.1 + column * (CELL + GAP) + (0.15 if column else 0)
            axes = picture_axes(figure, left, height - 0.95 - row * (CELL + GAP) - CELL, CELL, CELL)
            show(axes, pictures[row, column], float(low), float(high))
            if row == 0:
                label = ["input", *names][column]
                axes.text(0.5, 1.08, label, transform=axes.transAxes, ha="center", va="bottom", fontsize=LETTERS, color=INK)
    return fitted(figure)
