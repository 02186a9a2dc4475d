"""Figures: which are chosen, what is in their pixels, and that every letter can be read."""

from __future__ import annotations

import importlib.util
import io
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from matplotlib.text import Text
from PIL import Image

from factorgraph.run.figures._chosen import drawn, figures, first_figures
from factorgraph.run.figures._codes import code_histogram
from factorgraph.run.figures._components import component_functions, components
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
    assert list(figures(flat, [])) == ["components-decoder", "components-encoder", "curves", "codes"]


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
    assert rows[0] == 0 and rows[-1] == 49 and (np.diff(rows) <= 2).all()
    first, made = psd.value("Y").numpy(), psd.value("decoder(Z)").numpy()
    low, high = np.percentile(np.stack([first[rows], made[rows]]), (1, 99))
    for place, row in enumerate(rows):
        for lift, each in enumerate((first, made)):
            grey = np.clip((each[row].reshape(6, 6) - low) / (high - low), 0, 1)
            assert np.allclose(pictures[2 * place + lift], grey, atol=1e-5)


def words(figure):
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def test_the_error_of_reconstructions_is_what_is_left_of_the_variance(psd):
    psd.given["Y"] += 5  # a mean that is no variance
    first, made = psd.value("Y").double().numpy(), psd.value("decoder(Z)").double().numpy()
    share = ((first - made) ** 2).mean(0).sum() / first.var(axis=0).sum()
    (caption,) = (text for text in words(reconstructions(psd, "Y", "decoder(Z)")) if "error" in text)
    assert "36 of 50 test samples, one scale of brightness for all" in caption
    assert f"the squared error is {share:.1%} of the prepared pictures' variance" in caption
    assert share != pytest.approx(((first - made) ** 2).sum() / (first**2).sum(), rel=0.1)


def test_predictions_are_labelled_by_their_expressions(psd):
    assert {"input", "reconstruction"} <= set(words(reconstructions(psd, "Y", "decoder(Z)")))
    past = replace(psd.graph.variables["Y"], id="P", name="P")
    made = replace(psd.graph.values["decoder(Z)"], arguments=("Z", "P"))
    psd.model.graph = replace(psd.graph, values={"P": past, **psd.graph.values, "decoder(Z)": made})
    figure = reconstructions(psd, "Y", "decoder(Z)")
    assert {"Y", "decoder(Z)", "Y and decoder(Z)"} <= set(words(figure)) and "input" not in words(figure)
    assert readable(figure)


def test_curves_hold_the_rows():
    held_out = [{"step": 4, "phase": "warm", "split": "test", "energy": 8.0, "shares": {"a": 5.0, "b": 3.0}}]
    axes = curves(ROWS + held_out).axes[0]
    lines = {line.get_label(): line.get_ydata() for line in axes.lines if not line.get_label().startswith("_")}
    assert list(lines) == ["energy", "a", "b", "held-out samples"]
    assert lines["b"].tolist() == [row["shares"]["b"] for row in ROWS[:5]]
    assert [text.get_text().strip() for text in axes.texts if text.get_style() == "italic"] == ["warm", "joint"]
    assert curves(ROWS[:1]) is None


def drawn_curves(axes):
    """What each line that is no mark in the legend alone holds: (steps, values)."""
    return [tuple(map(list, line.get_data())) for line in axes.lines if len(line.get_xdata())]


def test_curves_do_not_go_from_one_phase_to_the_next():
    long = [
        {**row, "step": place, "phase": "ab"[place >= 60], "energy": 1.0 + (place >= 60)} for place, row in enumerate(ROWS * 12)
    ]
    for steps, values in drawn_curves(curves(long).axes[0])[:4]:  # of the energy: raw and smoothed, twice
        assert steps in (list(range(60)), list(range(60, 120)))
        assert values == pytest.approx([1.0 + (steps[0] == 60)] * 60)  # nothing is smoothed over the border
    joined = [each for each, _ in drawn_curves(curves(ROWS).axes[0])]
    assert [0, 1, 2, 3, 4] in joined and [5, 6, 7, 8, 9] in joined and list(range(10)) not in joined


def test_held_out_samples_after_a_phase_of_another_energy_are_marked_and_explained(psd):
    measured = [
        {"step": step, "phase": phase, "split": "test", "energy": 8.0, "shares": {"a": 5.0, "b": 3.0}}
        for step, phase in ((4, "warm"), (9, "joint"))
    ]
    axes = curves(ROWS + measured, {"warm"}).axes[0]
    marks = {line.get_marker(): line.get_xdata() for line in axes.lines if line.get_color() == "#000000"}
    assert list(marks["x"]) == [4] and list(marks["o"]) == [9]
    explained = [text.get_text() for text in axes.get_legend().get_texts()][3:]
    assert explained[0] == "held-out samples" and "the spec's own weights" in explained[1]
    assert len(curves(ROWS + measured).axes[0].get_legend().get_texts()) == 4  # alike: nothing more to say
    phase = {"set": {}, "only": None, "without": ()}
    learning = {"a": phase, "b": {**phase, "set": {"factors.prediction.weight": 0.1}}, "c": {**phase, "without": ("sparsity",)}}
    psd.graph.spec.learning = {name: SimpleNamespace(first=SimpleNamespace(**each)) for name, each in learning.items()}
    assert figures(psd, ROWS)["curves"].args[1] == {"b", "c"}


def test_one_step_is_a_point_in_the_middle():
    one = {"step": 1, "phase": "fit", "energy": 300.0, "shares": {"a": 300.0}}
    axes = curves([{**one, "split": "train"}, {**one, "split": "test", "energy": 0.2}]).axes[0]
    assert axes.lines[0].get_marker() == "s" and axes.lines[0].get_ydata().tolist() == [300.0]
    assert axes.get_xlim() == (0, 2)
    low, high = axes.get_ylim()
    assert low < 0.2 and high > 300


def test_the_share_of_an_only_factor_is_not_drawn_over_the_energy():
    alone = [{**row, "shares": {"a": row["energy"]}} for row in ROWS]
    axes = curves(alone).axes[0]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["energy"]
    assert axes.get_title(loc="left") == "Energy while learning"


def test_the_scale_is_logarithmic_where_it_tells_more():
    def scale(energy, share):
        axes = curves([{**row, "energy": energy(row["step"]), "shares": {"a": 1.0, "b": share}} for row in ROWS]).axes[0]
        return axes.get_yscale(), axes.get_ylim()[0]

    assert scale(lambda step: 1.0 + step, 1.0)[0] == "linear"
    assert scale(lambda step: 1.0 + step, 0.0)[0] == "linear"
    assert scale(lambda step: 30.0 - step, 1.0)[0] == "log"
    assert scale(lambda step: 30.0 - step, 0.0)[0] == "log"  # a factor of weight 0
    assert scale(lambda step: 30.0 - step, -0.1)[0] == "linear"
    assert scale(lambda step: 30.0 - step, 1e-30)[1] == pytest.approx(3e-5)


def test_a_game_has_a_curve_a_player():
    game = [
        {**row, "player": player, "loss": loss + row["step"]} for row in ROWS for player, loss in (("maker", 1), ("judge", -3))
    ]
    held_out = [{"step": 9, "phase": "joint", "split": "test", "energy": 8.0, "shares": {"a": 5.0, "b": 3.0}}]
    axes = curves(game + held_out).axes[0]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["maker", "judge"]
    assert drawn_curves(axes)[:4] == [
        ([0, 1, 2, 3, 4], [1, 2, 3, 4, 5]),
        ([5, 6, 7, 8, 9], [6, 7, 8, 9, 10]),
        ([0, 1, 2, 3, 4], [-3, -2, -1, 0, 1]),
        ([5, 6, 7, 8, 9], [2, 3, 4, 5, 6]),
    ]


@pytest.mark.parametrize("size", [1e-9, 0.01234, 123456.7])
def test_no_number_beside_a_curve_is_cut_off(size):
    figure = curves(
        [{**row, "energy": size * (1 + row["step"] / 1000), "shares": {"a long name of a factor": size}} for row in ROWS]
    )
    assert readable(figure)
    width, height = figure.get_size_inches()
    _, _, across, up = figure.axes[0].get_position(original=True).bounds
    assert (across * width, up * height) == pytest.approx((7.5 * 0.69, 4 * 0.735))  # the figure grows, not the axes


def test_curves_of_numbers_that_are_none_leave_gaps():
    broken = [{**row, "energy": float("nan")} if row["step"] == 3 else row for row in ROWS]
    line = curves(broken).axes[0].lines[0].get_ydata()
    assert np.isnan(line[3]) and np.isfinite(np.delete(line, 3)).all()
    assert np.allclose(_running_mean(np.array([1.0, np.nan, 3.0, 8.0]), 1), [1, 2, 5.5, 5.5], equal_nan=True)


def test_code_histogram_counts_active_entries(psd):
    sparse = Measured(fakes.FakeModel(psd.model.decoder, psd.model.encoder, sparsity=20.0, threshold=3.0), psd.dataset)
    code = sparse.solved(None).variables["Z"]
    values, usage = code_histogram(sparse, "Z").axes
    active = code.abs() > 1e-3 * code.square().mean().sqrt()
    assert 0 < float(active.double().mean()) < 0.9
    assert sum(bar.get_height() for bar in values.patches) == int(active.sum())
    assert usage.get_ylim()[1] == pytest.approx(105 * float(active.double().mean(0).max()))


def test_a_dense_code_shows_how_much_its_units_vary(psd):
    code = psd.solved(None).variables["Z"]
    code[:, 3] = 0.25  # active, and always the same
    values, deviations = code_histogram(psd, "Z").axes
    assert sum(bar.get_height() for bar in values.patches) == code.numel()
    drawn_heights = deviations.collections[0].get_paths()[0].vertices[:, 1].max()
    assert drawn_heights == pytest.approx(code.numpy().std(axis=0).max())
    assert deviations.get_title(loc="left") == "How much each unit of Z varies"
    assert any("1 of 10 do not" in text for text in words(deviations.figure))


def test_one_of_n_codes_show_usage_alone(plane):
    assert len(code_histogram(plane, "Z").axes) == 1


def test_energy_surface_is_dark_at_the_prototypes_and_the_right_way_up(plane):
    plane.model.prototypes = torch.tensor([[0.5, 0.9], [0.5, 0.9]])  # above, to the right
    axes = energy_surface(plane, "Y").axes[0]
    picture, (left, right, low, high) = axes.images[0], axes.images[0].get_extent()
    energy = picture.get_array()
    row, column = np.unravel_index(np.argmin(energy), energy.shape)
    assert left + (column + 0.5) / 160 * (right - left) == pytest.approx(0.5, abs=0.02)
    assert low + (row + 0.5) / 160 * (high - low) == pytest.approx(0.9, abs=0.02)
    assert picture.origin == "lower"
    assert picture.cmap(0.0)[:3] == (0, 0, 0)  # dark is low
    assert axes.lines[0].get_xydata().tolist() == plane.given["Y"].tolist()
    assert axes.get_xlim() == (left, right) and axes.get_ylim() == (low, high)


def test_energy_surface_shows_all_prototypes_the_unused_too(plane):
    figure = energy_surface(plane, "Y")
    plane.model.prototypes[1] = torch.tensor([40.0, 40.0])  # never nearest, and far outside
    far = energy_surface(plane, "Y")
    assert np.allclose(figure.axes[0].lines[1].get_xydata(), [[0.5, 0], [-0.5, 0]])
    assert np.allclose(far.axes[0].lines[1].get_xydata(), [[0.5, 0], [40, 40]])
    assert far.axes[0].get_xlim() == pytest.approx(figure.axes[0].get_xlim())
    assert "energy" in words(figure) and any("blue: prototypes" in text for text in words(figure))
    assert readable(figure)


def test_energy_surface_shows_what_becomes_of_the_data():
    decoder = np.array([[0.6], [0.8]], dtype=np.float32)
    on = Measured(fakes.FakeModel(decoder, decoder.T.copy()), fakes.dataset(np.random.default_rng(0).uniform(-1, 1, (30, 2))))
    figure = energy_surface(on, "Y")
    made = figure.axes[0].lines[1].get_xydata()
    assert np.allclose(made, on.value("decoder(Z)").numpy()) and np.allclose(made[:, 0] * 0.8, made[:, 1] * 0.6, atol=1e-6)
    assert any("blue: reconstructions" in text for text in words(figure))


def test_components_are_rows_of_what_units_write_or_read(psd):
    flat = Measured(psd.model, fakes.dataset(psd.given["Y"]))
    for function, matrix, does in (("decoder", psd.model.decoder.T, "writes"), ("encoder", psd.model.encoder, "reads")):
        figure = components(flat, function)
        picture = figure.axes[0].images[0]
        assert np.allclose(picture.get_array(), matrix)
        assert picture.norm.vmin == -picture.norm.vmax == pytest.approx(-float(matrix.abs().max()))  # white is zero
        assert any(does in text for text in words(figure)) and readable(figure)


def test_large_matrices_and_those_of_pictures_are_no_components(psd):
    assert component_functions(psd) == ()
    decoder = np.ones((8, 65), dtype=np.float32)
    for units, found in ((64, ("decoder", "encoder")), (65, ())):
        part = decoder[:, :units].copy()
        assert component_functions(Measured(fakes.FakeModel(part, part.T.copy()), fakes.dataset(np.ones((4, 8))))) == found


def test_no_pyplot(psd):
    sys.modules.pop("matplotlib.pyplot", None)
    dict(drawn(figures(psd, ROWS)))
    assert "matplotlib.pyplot" not in sys.modules


def test_variables_that_lie_in_no_plane_have_no_surface(psd):
    odd = SimpleNamespace(graph=SimpleNamespace(of_kind=lambda kind: [SimpleNamespace(name="Y", shape=(2,))] * 2))
    from factorgraph.run.figures._surface import plane_variable

    assert plane_variable(odd) is None
    assert plane_variable(psd) is None


def test_a_phase_whose_loss_sees_no_energy_shows_its_loss():
    more = [{"step": 10 + k, "phase": "taught", "loss": 4.0 - k} for k in range(3)]
    (axes,) = curves([*ROWS, *more]).axes
    drawn = {line.get_label(): line.get_ydata() for line in axes.lines if line.get_label()[0] != "_"}
    assert list(drawn) == ["energy", "a", "b", "loss, of no energy"]
    assert list(drawn["loss, of no energy"]) == [4.0, 3.0, 2.0]
    assert all(min(each) > 0 for name, each in drawn.items() if name in ("energy", "a"))  # no zeros of what nobody looked at
    assert axes.get_ylabel() == "weighted energy, or loss, per sample"


def test_a_loss_that_is_not_the_energy_is_drawn_beside_it():
    rows = [{"step": k, "phase": "fit", "energy": 1.0 + k, "loss": 4.0 - k, "shares": {"a": 1.0 + k}} for k in range(1, 4)]
    (axes,) = curves(rows).axes
    drawn = {line.get_label(): list(line.get_ydata()) for line in axes.lines if line.get_label()[0] != "_"}
    assert drawn == {"energy": [2.0, 3.0, 4.0], "loss, minimised": [3.0, 2.0, 1.0]}
    assert axes.get_title(loc="left") == "Loss and energy while learning"
