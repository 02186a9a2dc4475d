"""Kernels and maps in figures and metrics: a small convolutional model, drawn by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib.text import Text

import factorgraph as fg
from factorgraph.data.dataset import load_data
from factorgraph.metrics.column_norm import ColumnNorm
from factorgraph.metrics.nonzeros import Nonzeros
from factorgraph.run.figures._chosen import figures
from factorgraph.run.figures._filters import filter_mosaic
from factorgraph.run.figures._maps import feature_maps
from factorgraph.run.figures._reconstructions import compared_pictures, reconstructions
from factorgraph.run.measured import Measured
from factorgraph.spec.load import loads

SPEC = """
factorgraph: 1
variables:
  X: {kind: observed, shape: [COLOURS, 8, 8]}
  Z: {kind: latent, shape: [3, 6, 6]}
functions:
  encoder: {type: convolution, kernel: 3, padding: valid, bias: false}
  decoder: {type: convolution, kernel: 3, padding: full, bias: false}
  inside:  {type: crop, margin: 2}
factors:
  reconstruction: {type: squared_distance, between: [inside(X), inside(decoder(Z))]}
  prediction:     {type: squared_distance, between: [Z, encoder(X)]}
  sparsity:       {type: l1, of: Z, weight: 0.37}
inference:
  optimal: {method: argmin, of: Z, start: encoder(X)}
learning: {fit: {loss: energy}}
data: {source: natural_patches, size: 8, colors: COLOURS, count: 20, test: 5, bind: {X: image}}
"""


@pytest.fixture(params=[1, 3])
def on(request):
    spec = loads(SPEC.replace("COLOURS", str(request.param)))
    model = fg.build(spec)
    data = load_data(spec, {each.name: each.shape for each in model.graph.of_kind("observed")}, ())
    return Measured(model, data)


def parameter(on, name):
    return dict(on.model.named_parameters())[f"functions.{name}.matrix"].detach()


def test_a_filter_is_what_a_single_answer_draws_or_what_it_looks_for(on):
    colours = on.graph.variables["X"].shape[0]
    shape = (3, 3) if colours == 1 else (3, 3, 3)
    assert on.picture_shape("decoder") == on.picture_shape("encoder") == shape
    z = torch.zeros(3, 3, 6, 6)
    for unit in range(3):
        z[unit, unit, 2, 1] = 1.0
    drawing = on.model.evaluate(("decoder(Z)",), X=torch.zeros(3, colours, 8, 8), Z=z)["decoder(Z)"].detach()
    torch.testing.assert_close(on.filters("decoder"), drawing[:, :, 2:5, 1:4].reshape(3, *shape))
    torch.testing.assert_close(on.pixels("decoder"), on.filters("decoder"))
    x = torch.zeros(3, colours, 8, 8)
    x[:, :, 2:5, 1:4] = on.filters("encoder").reshape(3, colours, 3, 3)
    answers = on.model.evaluate(("encoder(X)",), X=x)["encoder(X)"][:, :, 2, 1].detach()
    torch.testing.assert_close(answers.diagonal(), on.filters("encoder").flatten(1).square().sum(1))


def test_the_column_of_a_map_is_its_kernel(on):
    norms = ColumnNorm(type="column_norm").measure(on, "decoder")
    torch.testing.assert_close(norms, parameter(on, "decoder").double().square().sum((0, 2, 3)).sqrt())


def test_maps_are_let_in_whole_the_loudest_first(on, monkeypatch):
    from factorgraph.run.figures import progressive
    from factorgraph.spec.blocks import Figure

    code = on.solved(None).variables["Z"]
    norms = code.double().flatten(2).norm(dim=2) * parameter(on, "decoder").double().square().sum((0, 2, 3)).sqrt()
    assert torch.equal(progressive._rank(on, "decoder(Z)", code).argsort(1), norms.argsort(1, descending=True))
    seen = []
    monkeypatch.setattr(progressive, "_figure", lambda pictures, *rest: seen.append((pictures, rest)))
    asked = Figure(type="progressive", of=("decoder(Z)",))
    progressive.Progressive(type="progressive").draw("parts", asked, on.graph.spec, lambda state: on)
    ((pictures, (_, names, of)),) = seen
    assert (names, of) == (["1", "2", "all"], "maps")
    loudest = torch.zeros_like(code)
    rows = torch.arange(len(code))
    loudest[rows, norms.argmax(1)] = code[rows, norms.argmax(1)]
    drawn = on.model.evaluate(("decoder(Z)",), X=torch.zeros(len(code), *on.graph.variables["X"].shape), Z=loudest)
    known = on.unprepared(on.graph.variables["X"], drawn["decoder(Z)"].detach().flatten(1))
    torch.testing.assert_close(pictures[:, 1], known[..., 2:6, 2:6])  # what is compared
    torch.testing.assert_close(pictures[:, 0], torch.as_tensor(on.given["X"]).reshape(known.shape)[..., 2:6, 2:6])


def test_nonzeros_are_counted_a_value_of_the_picture(on):
    solved = on.solved("optimal")
    code = solved.variables["Z"]
    level = 1e-3 * code.double().square().mean().sqrt()
    expected = float((code.double().abs() > level).sum()) / 5 / (64 * on.graph.variables["X"].shape[0])
    assert expected > 0 and Nonzeros(type="nonzeros").measure(on, "optimal") == pytest.approx(expected)


def test_what_is_behind_a_crop_on_both_sides_is_compared(on):
    assert compared_pictures(on) == ("X", "decoder(Z)")


def test_a_border_that_is_not_compared_is_neither_shown_nor_counted(on):
    figure = reconstructions(on, "X", "decoder(Z)")
    x, made = (on.value(each)[..., 2:6, 2:6].flatten(1).double() for each in ("X", "decoder(Z)"))
    left = float((x - made).square().sum() / (x - x.mean(0)).square().sum())
    assert any(f"the squared error is {left:.1%}" in each.get_text() for each in figure.findobj(Text))
    shown = [np.asarray(axes.images[0].get_array()) for axes in figure.axes if axes.images]
    assert len(shown) == 10 and {each.shape[:2] for each in shown} == {(4, 4)}
    low, high = np.percentile(np.stack([x.numpy(), made.numpy()]), (1, 99))
    first = x[0].reshape(-1, 4, 4).permute(1, 2, 0).squeeze(2) if x.shape[1] == 16 else x[0].reshape(3, 4, 4).permute(1, 2, 0)
    np.testing.assert_allclose(shown[0], np.clip((first.numpy() - low) / (high - low), 0, 1), atol=1e-5)


def test_what_is_compared_through_more_than_a_choice_of_pixels_is_shown_whole(on):
    colours = on.graph.variables["X"].shape[0]
    text = SPEC.replace("inside:  {type: crop, margin: 2}", "inside:  {type: convolution, maps: 2, kernel: 3, padding: valid}")
    spec = loads(text.replace("COLOURS", str(colours)))
    model = fg.build(spec)
    other = Measured(model, load_data(spec, model.graph.sample_shapes, ()))
    assert compared_pictures(other) == ("X", "decoder(Z)")
    shown = [np.asarray(axes.images[0].get_array()) for axes in reconstructions(other, "X", "decoder(Z)").axes if axes.images]
    assert {each.shape[:2] for each in shown} == {(8, 8)}


def test_filters_are_sorted_by_how_much_their_maps_are_used(on):
    order = on.solved(None).variables["Z"].abs().mean((0, 2, 3)).argsort(descending=True)
    shown = np.asarray(filter_mosaic(on, "decoder").axes[0].images[0].get_array())
    first = on.filters("decoder")[order[0]]
    grey = 0.5 + first / (2 * first.abs().max())
    corner = shown[:3, :3] if shown.ndim == 2 else np.moveaxis(shown[:3, :3], -1, 0)
    np.testing.assert_allclose(corner, grey.numpy(), atol=1e-6)


def test_maps_are_shown_in_their_places(on):
    figure = feature_maps(on, "Z", ("X", "decoder(Z)"))
    code = on.solved(None).variables["Z"]
    most = int(code.abs().mean((0, 2, 3)).argmax())
    names = [text.get_text() for text in figure.findobj(Text) if text.get_text()]
    assert f"map {most}" in names and "from the code" in names and any("3 maps" in name for name in names)
    pictures = [axes.images[0] for axes in figure.axes if axes.images]
    assert len(pictures) == 4 * 5
    np.testing.assert_allclose(pictures[2].get_array(), code[0, most].numpy(), atol=1e-6)
    low, high = pictures[2].get_clim()
    assert low == -high


def test_all_its_figures_can_be_read(on):
    found = figures(on, [{"step": 1, "phase": "fit", "split": "train", "energy": 1.0, "shares": {"sparsity": 1.0}}])
    assert {"filters-decoder", "filters-encoder", "reconstructions", "codes", "maps"} <= set(found)
    for name, draw in found.items():
        figure = draw()
        if figure is None:
            continue
        figure.draw_without_rendering()
        box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
        assert min(box.x0, box.y0) >= -1e-6 and box.x1 <= width + 1e-6 and box.y1 <= height + 1e-6, name
        assert all(text.get_fontsize() >= 8 for text in figure.findobj(Text) if text.get_text()), name
