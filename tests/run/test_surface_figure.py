"""The energy over a plane while learning: which panels, what each shows, through which samples the plane goes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.text import Text

import factorgraph as fg
from factorgraph.errors import RunError, SpecError
from factorgraph.run.figures._chosen import asked_figures, learning_figures
from factorgraph.run.figures._surface import plane_of
from factorgraph.run.run import Run
from factorgraph.spec.load import loads

TEXT = """
factorgraph: 1
indices: {k: 2}
dims: {rate: [0.01, 0.001]}
variables:
  Y: {kind: observed, shape: [UNITS]}
  Z: {kind: latent, shape: [2], domain: one_hot}
functions:
  means: {type: linear, bias: false}
factors:
  width: {type: squared_distance, between: [Y, means(Z)]}
inference:
  choice: {method: argmin, of: Z}
learning:
  first:  {loss: energy, steps: 3, batch_size: 10}
  second: {loss: energy, steps: 3, batch_size: 10, per: k, learning_rate: "rate[k]"}
data: DATA
figures:
  over: {type: surface, of: Y}
"""
CURVE = "{source: curve, shape: parabola, count: 40, bind: {Y: point}}"
PLANTED = "{source: planted_codes, units: LENGTH, atoms: 3, count: 40, bind: {Y: signal}}"


def text(units: int) -> str:
    data = CURVE if units == 2 else PLANTED.replace("LENGTH", str(units))
    return TEXT.replace("UNITS", str(units)).replace("DATA", data)


@pytest.fixture(scope="module")
def flat(tmp_path_factory) -> Run:
    return fg.train(loads(text(2)), tmp_path_factory.mktemp("runs") / "flat")


@pytest.fixture(scope="module")
def solid(tmp_path_factory) -> Run:
    return fg.train(loads(text(5)), tmp_path_factory.mktemp("runs") / "solid")


def panels(run: Run):
    found = asked_figures(run.spec, run.states())["over"]()
    assert found is not None and all(each.get_fontsize() >= 8 for each in found.findobj(Text) if each.get_text())
    return found.axes[:-1]  # the last is the bar


def least(run: Run, state: str, points: np.ndarray) -> np.ndarray:
    """The energy by hand: the squared distance to the nearer of two means."""
    means = next(iter(run.measured(state).model.parameters())).detach().double().numpy().T
    return np.square(points[..., None, :] - means).sum(-1).min(-1)


def test_each_phase_and_slot_ends_in_a_panel_of_its_own_energy_on_the_scale_of_the_last(flat):
    shown = panels(flat)
    assert [each.get_title(loc="left") for each in shown] == ["start", "first", "second[0]", "second[1]"]
    plane = plane_of(flat.measured(), "Y", 64)
    points = np.stack(np.meshgrid(plane.across, plane.up), -1)
    for axes, state in zip(shown, ("start", "first", "second[0]", "second[1]"), strict=True):
        (picture,) = axes.get_images()
        np.testing.assert_allclose(np.asarray(picture.get_array()), least(flat, state, points), rtol=1e-4, atol=1e-5)
        assert picture.get_clim() == shown[-1].get_images()[0].get_clim()
        assert axes.lines[0].get_xydata().tolist() == flat.measured().given["Y"].tolist()
    assert not np.allclose(least(flat, "start", points), least(flat, "first", points))


def test_data_in_a_plane_are_shown_while_learning_without_being_asked(flat, solid):
    assert flat.folder.has("figures/energy_while_learning.png") and flat.folder.has("figures/over.png")
    assert list(learning_figures(solid.spec, solid.states())) == []


def test_of_larger_data_the_plane_goes_through_three_samples_at_their_distances(solid):
    rows = solid.measured().given["Y"].astype(np.float64)
    three = rows[[0, round((len(rows) - 1) / 2), len(rows) - 1]]
    plane = plane_of(solid.measured(), "Y", 64)
    apart = np.linalg.norm(three[:, None] - three[None], axis=-1)
    np.testing.assert_allclose(np.linalg.norm(plane.points[:, None] - plane.points[None], axis=-1), apart, rtol=1e-5, atol=1e-6)
    grid = plane.given["Y"].reshape(64, 64, 5).astype(np.float64)
    corner = [np.abs(axis - at).argmin() for axis, at in zip((plane.up, plane.across), plane.points[1][::-1], strict=True)]
    assert np.linalg.norm(grid[corner[0], corner[1]] - three[1]) <= np.hypot(*2 * [plane.across[1] - plane.across[0]])
    (picture,) = panels(solid)[-1].get_images()
    np.testing.assert_allclose(np.asarray(picture.get_array()), least(solid, "", grid), rtol=1e-4, atol=1e-5)
    assert len(panels(solid)[0].lines[0].get_xdata()) == 3


def test_samples_on_a_line_span_no_plane(tmp_path: Path):
    run = fg.train(loads(text(1)), tmp_path / "thin")
    with pytest.raises(RunError) as caught:
        plane_of(run.measured(), "Y")
    assert [each.code for each in caught.value.issues] == ["FG427"]
    assert not run.folder.has("figures/over.png") and "on a line" in run.folder.read_text("log.txt")


@pytest.mark.parametrize("of", ["Z", "means(Z)", "[Y, Y]", "W"])
def test_only_an_observed_variable_has_a_surface(of):
    with pytest.raises(SpecError) as caught:
        loads(text(2).replace("surface, of: Y", f"surface, of: {of}"))
    (found,) = caught.value.issues
    assert found.code == "FG427" and found.allowed == "Y" and found.place is not None
    assert found.place.line == text(2).count("\n")
