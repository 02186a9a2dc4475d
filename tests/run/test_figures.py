"""Figures: which are chosen, what is in their pixels, and that every letter can be read."""

from __future__ import annotations

import importlib.util
import io
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from matplotlib.text import Text
from PIL import Image

from factorgraph.run.figures._chosen import drawn, figures, first_figures
from factorgraph.run.figures._codes import code_histogram
from factorgraph.run.figures._curves import _running_mean, curves
from factorgraph.run.figures._filters import filter_mosaic, mosaic
from factorgraph.run.figures._reconstructions import compared_pictures, reconstructions
from factorgraph.run.figures._style import png
from factorgraph.run.figures._surface import energy_surface
from factorgraph.run.measured import Measured

_SPEC = importlib.util.spec_from_file_location("fakes", Path(__file__).parent / "fakes.py")
fakes = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(fakes)

ROWS = [
    {
        "step": step,
        "phase": "warm" if step < 5 else "joint",
        "split": "train",
        "energy": 9.0 - step / 2,
        "shares": {"a": 6.0, "b": 3 - step / 2},
    }
    for step in range(10)
]


@pytest.fixture
def psd():
    rng = np.random.default_rng(5)
    decoder = rng.standard_normal((36, 10)).astype(np.float32)
    model = fakes.FakeModel(decoder, decoder.T.copy())
    return Measured(model, fakes.dataset(rng.standard_normal((50, 36)), field=(6, 6)))


@pytest.fixture
def plane():
    points = np.random.default_rng(0).uniform(-1, 1, (30, 2))
    return Measured(fakes.FakePlane(np.array([[0.5, 0.0], [-0.5, 0.0]], dtype=np.float32)), fakes.dataset(points))


def readable(figure):
    """Every text is at least 8 points high, and nothing that is drawn is cut off by the figure's edge."""
    figure.draw_without_rendering()
    box = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    hair = 1e-6
    assert min(box.x0, box.y0) >= -hair and box.x1 <= width + hair and box.y1 <= height + hair, box
    return all(text.get_fontsize() >= 8 for text in figure.findobj(Text) if text.get_text())


def test_the_graph_chooses(psd, plane):
    assert list(figures(psd, ROWS)) == ["filters-decoder", "filters-encoder", "reconstructions", "curves", "codes"]
    assert list(first_figures(psd)) == ["filters-decoder", "filters-encoder"]
    assert list(figures(plane, ROWS)) == ["curves", "codes", "energy"]
    no_pictures = fakes.dataset(psd.given["Y"])
    flat = Measured(fakes.FakeModel(psd.model.decoder, psd.model.encoder), no_pictures)
    assert list(figures(flat, [])) == ["curves", "codes"]


def test_all_are_pictures_and_readable(psd, plane):
    for on in (psd, plane):
        for name, draw in figures(on, ROWS).items():
            assert readable(draw()), name
        found = dict(drawn(figures(on, [])))
        assert "curves.png" not in found  # nothing to join
        for data in found.values():
            assert Image.open(io.BytesIO(data)).size[0] > 500


def test_first_figures_need_no_inference(psd, monkeypatch):
    monkeypatch.setattr(psd.model, "infer", None)
    assert len(dict(drawn(first_figures(psd)))) == 2


def test_the_same_figure_is_the_same_bytes(psd):
    assert png(filter_mosaic(psd, "decoder")) == png(filter_mosaic(psd, "decoder"))


def test_mosaic_places_every_filter():
    filters = torch.arange(5 * 6, dtype=torch.float64).reshape(5, 2, 3) - 7
    picture = mosaic(filters)
    grey = 0.5 + filters.numpy() / (2 * np.abs(filters.numpy()).max(axis=(1, 2), keepdims=True))
    assert picture.shape == (3 * 3 - 1, 2 * 4 - 1)  # 2 columns, 3 rows, gaps of one pixel
    assert np.array_equal(picture[0:2, 0:3], grey[0])
    assert np.array_equal(picture[0:2, 4:7], grey[1])
    assert np.array_equal(picture[6:8, 0:3], grey[4])
    assert (picture[6:8, 3:] == 1).all()  # unfinished
    assert (picture[2] == 1).all()
    assert picture.min() >= 0 and picture.max() <= 1


def test_mosaic_of_zeros_is_grey_and_of_three_channels_coloured():
    assert (mosaic(torch.zeros(1, 2, 2)) == 0.5).all()
    assert mosaic(torch.randn(4, 3, 5, 5)).shape == (11, 11, 3)
    assert mosaic(torch.randn(4, 2, 5, 5)).shape == (11, 11)


def test_filters_are_shown_in_pixels_most_used_first():
    decoder = np.stack([np.eye(9)[place] * size for place, size in enumerate((1, 1, 1))], 1).astype(np.float32)
    encoder = (decoder.T * np.array([[1.0], [5.0], [3.0]])).astype(np.float32)
    on = Measured(fakes.FakeModel(decoder, encoder, steps=0), fakes.dataset(np.ones((4, 9)), field=(3, 3)))
    shown = filter_mosaic(on, "decoder").axes[0].images[0].get_array()
    order = [int(np.argmax(shown[top : top + 3, left : left + 3])) for top, left in ((0, 0), (0, 4), (4, 0))]
    assert order == [1, 2, 0]


def test_at_most_256_filters_and_the_title_says_so():
    decoder = np.random.default_rng(0).standard_normal((9, 300)).astype(np.float32)
    on = Measured(fakes.FakeModel(decoder, decoder.T.copy(), steps=0), fakes.dataset(np.ones((4, 9)), field=(3, 3)))
    figure = filter_mosaic(on, "decoder", used=False)
    assert figure.axes[0].get_title(loc="left") == "decoder: 256 of 300 filters"
    assert figure.axes[0].images[0].get_array().shape == (63, 63)


def test_reconstructions_pair_what_a_factor_compares(psd):
    assert compared_pictures(psd) == ("Y", "decoder(Z)")
    figure = reconstructions(psd, "Y", "decoder(Z)")
    pictures = [axes.images[0].get_array() for axes in figure.axes if axes.images]
    assert len(pictures) == 2 * 36
    rows = np.unique(np.linspace(0, 49, 36).round().astype(int))
    for place, row in enumerate(rows):
        first, made = psd.value("Y")[row].reshape(6, 6), psd.value("decoder(Z)")[row].reshape(6, 6)
        low, high = float(torch.minimum(first, made).min()), float(torch.maximum(first, made).max())
        assert np.allclose(pictures[2 * place], (first - low) / (high - low), atol=1e-6)
        assert np.allclose(pictures[2 * place + 1], (made - low) / (high - low), atol=1e-6)


def test_curves_hold_the_rows():
    held_out = [{"step": 4, "phase": "warm", "split": "test", "energy": 8.0, "shares": {"a": 5.0, "b": 3.0}}]
    axes = curves(ROWS + held_out).axes[0]
    lines = {line.get_label(): line.get_ydata() for line in axes.lines if not line.get_label().startswith("_")}
    assert list(lines) == ["energy", "a", "b"]
    assert lines["b"].tolist() == [row["shares"]["b"] for row in ROWS]
    assert [text.get_text().strip() for text in axes.texts if text.get_style() == "italic"] == ["warm", "joint"]
    assert curves(ROWS[:1]) is None


def test_curves_of_numbers_that_are_none_leave_gaps():
    broken = [{**row, "energy": float("nan")} if row["step"] == 3 else row for row in ROWS]
    line = curves(broken).axes[0].lines[0].get_ydata()
    assert np.isnan(line[3]) and np.isfinite(np.delete(line, 3)).all()
    assert np.allclose(_running_mean(np.array([1.0, np.nan, 3.0, 8.0])), [1, 2, 5.5, 5.5], equal_nan=True)


def test_code_histogram_counts_active_entries(psd):
    code = psd.solved(None).variables["Z"]
    values, usage = code_histogram(psd, "Z").axes
    assert sum(bar.get_height() for bar in values.patches) == int((code != 0).sum())
    assert usage.get_ylim()[1] == pytest.approx(105 * float((code != 0).double().mean(0).max()))


def test_one_of_n_codes_show_usage_alone(plane):
    assert len(code_histogram(plane, "Z").axes) == 1


def test_energy_surface_is_dark_at_the_prototypes_and_the_right_way_up(plane):
    plane.model.prototypes = torch.tensor([[0.5, 0.9]])  # above, to the right
    axes = energy_surface(plane, "Y").axes[0]
    picture, (left, right, low, high) = axes.images[0], axes.images[0].get_extent()
    energy = picture.get_array()
    row, column = np.unravel_index(np.argmin(energy), energy.shape)
    assert left + (column + 0.5) / 160 * (right - left) == pytest.approx(0.5, abs=0.02)
    assert low + (row + 0.5) / 160 * (high - low) == pytest.approx(0.9, abs=0.02)
    assert picture.origin == "lower"
    assert picture.cmap(0.0)[:3] == (0, 0, 0)  # dark is low
    assert axes.lines[0].get_xydata().tolist() == plane.given["Y"].tolist()


def test_no_pyplot(psd):
    sys.modules.pop("matplotlib.pyplot", None)
    dict(drawn(figures(psd, ROWS)))
    assert "matplotlib.pyplot" not in sys.modules


def test_variables_that_lie_in_no_plane_have_no_surface(psd):
    odd = SimpleNamespace(graph=SimpleNamespace(of_kind=lambda kind: [SimpleNamespace(name="Y", shape=(2,))] * 2))
    from factorgraph.run.figures._surface import plane_variable

    assert plane_variable(odd) is None
    assert plane_variable(psd) is None
