"""Figures of units: what is across and up, in which order filters stand, what is let in first, and what cannot be drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from factorgraph.errors import RunError, SpecError
from factorgraph.run import claims
from factorgraph.run.figures import _filters
from factorgraph.run.figures._chosen import asked_figures
from factorgraph.run.figures.progressive import STEPS, _rank
from factorgraph.run.run import Run
from factorgraph.spec.load import loads
from factorgraph.training.session import train

SPEC = """
factorgraph: 1
dims: {code: 7}
variables: {Y: {kind: observed, shape: [64]}, Z: {kind: latent, shape: [code]}}
functions: {decoder: {type: linear, bias: false, max_column_norm: 1}}
factors:
  reconstruction: {type: squared_distance, between: [Y, decoder(Z)]}
  sparsity: {type: l1, of: Z, weight: 0.037}
inference: {optimal: {method: argmin, of: Z, steps: 30}}
learning: {fit: {loss: energy, steps: 3, learning_rate: 0.1}}
data: {source: digits, count: 60, prepare: [unit_norm], bind: {Y: image}}
figures:
  apart: FIGURE
"""


def spec(figure: str):
    return loads(SPEC.replace("FIGURE", figure))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(spec("{type: progressive, of: decoder(Z)}"), tmp_path_factory.mktemp("units") / "run")


def draw(run: Run, figure: str):
    return asked_figures(spec(figure), run.states())["apart"]()


def test_a_scatter_has_the_first_metric_across(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = {"start": torch.tensor([1.0, 2.0, torch.nan, 4.0, 5.0, 6.0, 7.0]), "": torch.arange(7.0) / 10}
    monkeypatch.setattr(claims, "_figure", lambda metric, written, on, slots: figures["start" if on is started else ""])
    states = run.states()
    started = states("start")
    figure = asked_figures(spec("{type: scatter, of: [start.column_norm(decoder), column_norm(decoder)]}"), states)["apart"]()
    (axes,) = figure.axes
    assert axes.get_xlabel() == "start.column_norm(decoder)"
    (line,) = axes.get_lines()
    assert list(line.get_xdata()) == [1, 2, 4, 5, 6, 7]
    assert np.allclose(line.get_ydata(), [0, 0.1, 0.3, 0.4, 0.5, 0.6])
    assert any("6 units; 1 more" in each.get_text() for each in axes.texts)


def test_of_one_metric_a_scatter_shows_how_it_spreads(run: Run) -> None:
    (axes,) = draw(run, "{type: scatter, of: column_norm(decoder)}").axes
    assert sum(each.get_height() for each in axes.patches) == 7


def test_a_mosaic_is_sorted_by_its_metric(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = []
    order = torch.tensor([3.0, 1.0, torch.nan, 2.0, 9.0, 7.0, 5.0])
    monkeypatch.setattr(claims, "_figure", lambda *_: order)
    whole = _filters.mosaic_figure

    def seen(filters, *more):
        shown.append(filters)
        return whole(filters, *more)

    monkeypatch.setattr(_filters, "mosaic_figure", seen)
    draw(run, "{type: mosaic, of: [decoder, column_norm(decoder)]}")
    filters = run.measured().pixels("decoder")
    assert torch.equal(shown[0], filters[[1, 3, 0, 6, 5, 4, 2]])


def test_units_are_let_in_from_the_loudest_on(run: Run) -> None:
    on = run.measured()
    code = on.solved(None).variables["Z"][:5]
    loud = (code.double().abs() * on.units("decoder").double().norm(dim=1)).numpy()
    rank = _rank(on, "decoder(Z)", code).numpy()
    for row in range(5):
        assert list(np.argsort(rank[row])) == list(np.argsort(-loud[row], kind="stable"))


def test_the_last_picture_is_the_whole_reconstruction(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from factorgraph.run.figures import progressive

    seen = []
    monkeypatch.setattr(progressive, "_figure", lambda pictures, *_: seen.append(pictures))
    draw(run, "{type: progressive, of: decoder(Z)}")
    pictures, on = seen[0], run.measured()
    rows = np.unique(np.linspace(0, on.rows - 1, progressive.SAMPLES).round().astype(int))
    variable = on.graph.variables["Y"]
    assert pictures.shape[1] == sum(step < 7 for step in STEPS) + 2
    torch.testing.assert_close(pictures[:, 0], on.unprepared(variable, on.value("Y")[rows]))
    torch.testing.assert_close(pictures[:, -1], on.unprepared(variable, on.value("decoder(Z)")[rows]))
    code = on.value("Z")[rows]
    first = torch.where(_rank(on, "decoder(Z)", code) < 1, code, 0)
    one = first @ on.matrix("decoder").T
    torch.testing.assert_close(pictures[:, 1], on.unprepared(variable, one))


def test_mosaics_of_a_family_stand_side_by_side(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = []
    whole = _filters.mosaics_figure

    def seen(parts, *more):
        shown.extend(parts)
        return whole(parts, *more)

    monkeypatch.setattr(_filters, "mosaics_figure", seen)
    text = SPEC.replace("FIGURE", "{type: mosaics, of: 'few[p].column_norm(decoder)'}") + "indices: {p: 2}\n"
    text += "variants: {few: {dims.code: 2 + p}}\n"
    with_family = loads(text)
    on = run.measured()
    figure = asked_figures(with_family, {"few[0]": run.measured("start"), "few[1]": on}.__getitem__)["apart"]()
    assert [len(each) for each in shown] == [7, 7]
    order = on.matrix("decoder").double().norm(dim=0).argsort(stable=True)
    torch.testing.assert_close(shown[1], on.pixels("decoder")[order])
    assert [each.get_text() for axes in figure.axes[1:] for each in axes.texts] == ["7", "7"]
    one = asked_figures(spec("{type: mosaics, of: column_norm(decoder)}"), run.states())["apart"]()
    assert len(one.axes) == 2
    assert asked_figures(with_family, run.states())["apart"]() is None
    with pytest.raises(RunError, match="2 models"):
        claims.units_at(with_family, {"few[0]": on, "few[1]": on}.__getitem__, "few[p].column_norm(decoder)")


def test_the_run_has_the_picture(run: Run) -> None:
    assert (Path(run.path) / "figures" / "apart.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("figure", "said"),
    [
        ("{type: scatter, of: [column_norm(decoder), energy(optimal)]}", "energy(optimal)"),
        ("{type: scatter, of: [decoder]}", "decoder"),
        ("{type: mosaic, of: [encoder, column_norm(decoder)]}", "encoder"),
        ("{type: mosaic, of: [decoder]}", "2 things"),
        ("{type: scatter, of: [column_norm(decodr)]}", "decoder"),
    ],
)
def test_what_is_no_figure_of_units(figure: str, said: str) -> None:
    with pytest.raises(SpecError) as caught:
        spec(figure)
    assert said in str(caught.value)
    assert caught.value.issues[0].place is not None


def test_figures_of_different_units_have_no_place_together(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = iter((7, 5))
    monkeypatch.setattr(claims, "_figure", lambda *_: torch.zeros(next(sizes)))
    with pytest.raises(RunError, match="7"):
        draw(run, "{type: scatter, of: [column_norm(decoder), start.column_norm(decoder)]}")


def test_what_is_made_from_no_code_is_not_put_together(run: Run) -> None:
    with pytest.raises(RunError, match="decoder\\(Z\\)"):
        draw(run, "{type: progressive, of: Y}")


