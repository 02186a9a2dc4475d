"""Samples of a model over, or beside, the data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from factorgraph.errors import RunError
from factorgraph.run.figures._chosen import asked_figures
from factorgraph.run.figures._style import png
from factorgraph.run.run import Run
from factorgraph.spec.load import loads
from factorgraph.training.session import train

SPEC = """
factorgraph: 1
variables:
  Y:    {kind: observed, shape: SHAPE}
  N:    {kind: noise, shape: [4]}
  fake: {is: generator(N), stands_for: Y}
functions: {generator: linear, critic: linear}
factors: {realism: {type: value, of: critic(Y)}}
learning:
  game:
    steps: 3
    players:
      critic:    {loss: {type: adversarial, fake: fake}}
      generator: {loss: {type: fool, fake: fake}}
data: DATA
figures: {made: {type: samples, of: OF}}
"""
PLANE = ("[2]", "{source: curve, count: 50, test: 70, bind: {Y: point}}")
PICTURES = ("[8, 8]", "{source: digits, count: 50, test: 70, bind: {Y: image}}")


def text(shape: str, data: str, of: str = "fake") -> str:
    return SPEC.replace("SHAPE", shape).replace("DATA", data).replace("OF", of)


def drawn(run: Run, source: str):  # type: ignore[no-untyped-def]
    return asked_figures(loads(source), run.states())["made"]()


def test_points_lie_over_the_data(tmp_path: Path) -> None:
    run = train(loads(text(*PLANE)), tmp_path / "run")
    assert (run.path / "figures" / "made.png").stat().st_size > 1000
    figure = drawn(run, text(*PLANE))
    data, made = figure.axes[0].get_lines()
    on = run.measured()
    assert np.allclose(np.stack(data.get_data(), 1), on.given["Y"])
    assert np.allclose(np.stack(made.get_data(), 1), on.value("fake"))
    with pytest.raises(RunError, match="FG463"):
        drawn(run, text(*PLANE, of="N"))


def test_pictures_stand_beside_the_data(tmp_path: Path) -> None:
    run = train(loads(text(*PICTURES)), tmp_path / "run")
    figure = drawn(run, text(*PICTURES))
    shown = [torch.as_tensor(np.asarray(image.get_array())) for axes in figure.axes for image in axes.get_images()]
    assert len(shown) == 2 * 64 and all(each.shape == (8, 8) for each in shown)
    first = torch.as_tensor(run.measured().given["Y"][0])
    assert torch.corrcoef(torch.stack([shown[64].flatten(), first.flatten()]))[0, 1] > 0.99
    assert png(figure)[:4] == b"\x89PNG"
