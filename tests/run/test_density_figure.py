"""The density that an energy means, at several temperatures: what each panel holds, and what cannot be drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import factorgraph as fg
from factorgraph.data.dataset import load_data
from factorgraph.errors import RunError, SpecError
from factorgraph.run.figures._chosen import asked_figures
from factorgraph.run.measured import Measured
from factorgraph.spec.load import loads

TEXT = """
factorgraph: 1
variables:
  Y: {kind: observed, shape: [UNITS]}
  Z: {kind: latent, shape: [2], domain: one_hot}
functions:
  means: {type: linear, bias: false}
factors:
  width: {type: squared_distance, between: [Y, means(Z)], weight: 0.5}
inference:
  choice: {method: marginal, of: Z}
  warm:   {method: marginal, of: [Y, Z], beta: 0.5, solver: {type: grid, range: 6, points: 60}}
  cold:   {method: marginal, of: [Y, Z], beta: 2, solver: {type: grid, range: 6, points: 60}}
data: {source: curve, shape: parabola, count: 20, bind: {Y: point}}
figures:
  likely: {type: density, of: [warm, cold]}
"""
PLANTED = "source: planted_codes, units: 1, atoms: 3, count: 20, bind: {Y: signal}"


def drawn(text: str) -> Any:
    spec = loads(text)
    model = fg.build(spec)
    with torch.no_grad():
        for each in model.parameters():
            each.copy_(torch.tensor([[1.0, -0.5], [0.3, 2.0]])[: each.shape[0]])  # a mean in each column
    on = Measured(model, load_data(spec, model.graph.sample_shapes, [Path()], None))
    return asked_figures(spec, lambda _: on)["likely"]()


def test_each_panel_is_the_density_at_its_temperature() -> None:
    figure = drawn(TEXT.replace("UNITS", "2"))
    middle = np.linspace(-5.9, 5.9, 60)
    points = np.stack(np.meshgrid(middle, middle), -1)
    for axes, beta in zip(figure.axes, (0.5, 2), strict=True):
        squares = [np.square(points - mean).sum(-1) for mean in ((1.0, 0.3), (-0.5, 2.0))]
        right = sum(np.exp(-beta * each / 2) for each in squares) * beta / (4 * np.pi)  # two Gaussians of variance 1 / beta
        (picture,) = axes.get_images()
        np.testing.assert_allclose(np.asarray(picture.get_array()), right, atol=1e-4)
        assert axes.get_title(loc="left") == f"beta {beta:g}"


def test_only_what_sums_a_plane_on_a_grid_has_a_density() -> None:
    with pytest.raises(SpecError) as caught:
        loads(TEXT.replace("UNITS", "2").replace("of: [warm, cold]", "of: [choice]"))
    (found,) = caught.value.issues
    assert found.code == "FG427" and found.allowed == "warm, cold"
    with pytest.raises(RunError) as ran:
        drawn(TEXT.replace("UNITS", "1").replace("source: curve, shape: parabola, count: 20, bind: {Y: point}", PLANTED))
    assert [each.code for each in ran.value.issues] == ["FG427"]
