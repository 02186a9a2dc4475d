"""Noise, and what a code leaves of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.lazy import np
from factorgraph.run.figures._figure import FigureLeaf
from factorgraph.spec.claims import ClaimExpression
from factorgraph.spec.constants import Constants

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

    from factorgraph.run.claims import States
    from factorgraph.run.denoised import Denoised
    from factorgraph.run.measured import Measured
    from factorgraph.spec import blocks
    from factorgraph.spec.schema import Spec

SAMPLES = 8
CELL, GAP, LABELS = 0.9, 0.06, 1.3  # inches


class DenoisedPictures(FigureLeaf):
    """Shows clean held-out pictures, the same with noise, and what codes leave of it: ``of: "denoising_gain(code[l], 0.2)"``.

    One row of pictures for each metric under ``of``, and each slot of its free index, with the decibels that it gains over all
    held-out samples; another row of noise where sigma is another. All share one scale of brightness. What the energy compares
    through a crop is shown as it comes through.

    Source: Zeiler, Krishnan, Taylor & Fergus, CVPR 2010, section 4.4.
    """

    type: Literal["denoised"] = "denoised"

    shows: ClassVar[Literal["metric"]] = "metric"
    metric: ClassVar[str] = "denoising_gain"

    def draw(self, name: str, asked: blocks.Figure, spec: Spec, states: States) -> Figure | None:
        from factorgraph.run.claims import NotMeasuredError

        shown: dict[str, Tensor] = {}
        rows = 0
        try:
            for label, sigma, on, found in _found(spec, states, map(str, asked.of)):
                shown.setdefault("clean", _pictures(on, found.observed, found.clean))
                shown.setdefault(f"noise of {sigma:g}", _pictures(on, found.observed, found.noisy))
                gain = "" if math.isnan(found.gain) else f"\n{found.gain:+.2f} dB"
                shown[f"{label}{gain}"] = _pictures(on, found.observed, found.restored)
                rows = on.rows
        except NotMeasuredError:
            return None
        caption = f"held-out pictures, one scale of brightness; decibels gained are those of all {rows}"
        return _figure(shown, name.replace("_", " "), caption)


def _found(spec: Spec, states: States, texts: Iterator[str]) -> Iterator[tuple[str, float, Measured, Denoised]]:
    """What each metric is about, slot by slot: its words, the noise, the model, and what it makes of noisy samples."""
    from factorgraph.run.claims import about
    from factorgraph.run.spelling import state_text

    for text in texts:
        (measure,) = ClaimExpression.of(text).measures()
        for slots, on, (procedure, sigma) in about(spec, states, measure):
            much = float(Constants(spec.dims, slots).evaluate(sigma))
            state = state_text(measure.states, slots, spec)
            yield f"{state}.{procedure}" if state else procedure, much, on, on.denoised(procedure, much)


def _pictures(on: Measured, observed: str, values: Tensor) -> Tensor:
    """Some rows of values as pictures, preparation undone where they are whole ones. Raises RunError FG427."""
    from factorgraph.errors import RunError, issue

    variable = on.graph.variables[observed]
    some = values[np.unique(np.linspace(0, len(values) - 1, SAMPLES).round().astype(int))].float()
    shape = on.picture_shape_of(variable)
    if shape is not None and math.prod(shape) == some[0].numel():
        return on.unprepared(variable, some.flatten(1))
    if shape is None or some.dim() < 3:
        raise RunError(issue("FG427", f"noise is shown on pictures, and {observed} is none", ("figures",)))
    return some


def _figure(shown: Mapping[str, Tensor], heading: str, caption: str) -> Figure:
    """Rows of pictures, (columns, [channels,] height, width) each, under their labels."""
    from factorgraph.run.figures._reconstructions import CLIPPED, show
    from factorgraph.run.figures._style import INK, LETTERS, fitted, new_figure, picture_axes, title

    clean = shown["clean"]
    low, high = np.percentile(clean.numpy(), (CLIPPED, 100 - CLIPPED))
    width, height = LABELS + len(clean) * (CELL + GAP), len(shown) * (CELL + GAP) + 0.6
    figure = new_figure(width, height)
    title(picture_axes(figure, 0.1, 0, width - 0.2, height - 0.6), heading, caption)
    for row, (label, pictures) in enumerate(shown.items()):
        for column, picture in enumerate(pictures):
            bottom = height - 0.6 - (row + 1) * (CELL + GAP)
            axes = picture_axes(figure, LABELS + column * (CELL + GAP), bottom, CELL, CELL)
            show(axes, picture, float(low), float(high))
            if column == 0:
                axes.text(-0.08, 0.5, label, transform=axes.transAxes, ha="right", va="center", fontsize=LETTERS, color=INK)
    return fitted(figure)
