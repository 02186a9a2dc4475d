"""Decoders that draw on each other: their filters in the data, and what a code takes from noise, against maps drawn by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import factorgraph as fg
from factorgraph.data.dataset import load_data
from factorgraph.errors import RunError
from factorgraph.graph.roles import unit_by_unit
from factorgraph.metrics.active import Active
from factorgraph.metrics.denoising_gain import DenoisingGain
from factorgraph.metrics.energy import Energy
from factorgraph.run.figures._chosen import asked_figures, figures
from factorgraph.run.measured import Measured
from factorgraph.run.report import evaluate
from factorgraph.spec.load import loads

MAPS = """
factorgraph: 1
dims: {side: [10, 12, 13], kernel: [3, 2], maps: [4, 5], colours: COLOURS}
indices: {l: 2}
variables:
  X: {kind: observed, shape: [colours, 10, 10]}
  Z: {kind: latent, per: l, shape: ["maps[l]", "side[l+1]", "side[l+1]"]}
  below: {is: "Z[l-1]", start: X}
functions:
  decoder: {type: convolution, per: l, kernel: "kernel[l]", padding: valid, bias: false, unit_norm: columns}
factors:
  reconstruction: {type: squared_distance, between: [below, decoder(Z)], weight: 0.5}
  sparsity:       {type: l1, of: Z, weight: 0.05}
inference:
  code: {per: l, method: argmin, of: "Z[l]", only: ["reconstruction[l]", "sparsity[l]"]}
learning: {fit: {per: l, loss: energy, only: ["reconstruction[l]", "sparsity[l]"], train: ["decoder[l]"]}}
data: {source: natural_patches, size: 10, colors: COLOURS, count: 20, test: 6, prepare: [remove_mean], bind: {X: image}}
"""
ROWS = """
factorgraph: 1
dims: {units: [9, 7, 5]}
indices: {l: 3}
variables:
  Y: {kind: observed, shape: [16]}
  Z: {kind: latent, per: l, shape: ["units[l]"]}
  below: {is: "Z[l-1]", start: Y}
functions:
  decoder: {type: linear, per: l, bias: false}
factors:
  reconstruction: {type: squared_distance, between: [below, decoder(Z)]}
  small:          {type: squared_distance, between: [Z, 0], weight: 0.1}
inference:
  code: {per: l, method: argmin, of: "Z[l]", only: ["reconstruction[l]", "small[l]"]}
data: {source: natural_patches, size: 4, count: 20, test: 50, prepare: [remove_mean, unit_variance], bind: {Y: image}}
"""


def measured(text: str) -> Measured:
    spec = loads(text)
    model = fg.build(spec)
    return Measured(model, load_data(spec, model.graph.sample_shapes, ()))


@pytest.fixture(params=[1, 3])
def maps(request: pytest.FixtureRequest) -> Measured:
    return measured(MAPS.replace("COLOURS", str(request.param)))


@pytest.fixture
def stack() -> Measured:
    return measured(ROWS)


def matrix(on: Measured, slot: int) -> np.ndarray:
    return dict(on.model.named_parameters())[f"functions.decoder.{slot}.matrix"].detach().double().numpy()


def test_a_filter_of_the_second_layer_is_what_a_single_answer_draws_in_the_picture(maps: Measured) -> None:
    colours = maps.graph.variables["X"].shape[0]
    z = torch.zeros(5, 5, 13, 13)
    z[range(5), range(5), 6, 5] = 1.0
    drawn = maps.model.evaluate(("decoder[1](Z[1])",), **{"Z[1]": z})["decoder[1](Z[1])"]
    drawn = maps.model.evaluate(("decoder[0](Z[0])",), **{"Z[0]": drawn})["decoder[0](Z[0])"].detach()
    shape = (4, 4) if colours == 1 else (3, 4, 4)
    assert float(drawn[:, :, 3:7, 2:6].square().sum()) == pytest.approx(float(drawn.square().sum()), rel=1e-5)
    torch.testing.assert_close(maps.filters("decoder[1]"), drawn[:, :, 3:7, 2:6].reshape(5, *shape), rtol=1e-4, atol=1e-6)
    assert maps.filters("decoder[0]").shape[-2:] == (3, 3)
    assert maps.pictured_functions() == ("decoder[0]", "decoder[1]")


def test_layers_of_matrices_draw_products_of_them(stack: Measured) -> None:
    expected = matrix(stack, 0) @ matrix(stack, 1) @ matrix(stack, 2)
    np.testing.assert_allclose(stack.filters("decoder[2]").reshape(5, 16).T, expected, atol=1e-5)
    assert stack.pictured_functions() == ("decoder[0]", "decoder[1]", "decoder[2]")


def test_filters_of_several_sizes_are_asked_for_one_layer_at_a_time(maps: Measured, stack: Measured) -> None:
    for ask in (maps.units, maps.filters, stack.units):
        with pytest.raises(RunError, match="another size at each of its") as caught:
            ask("decoder")
        assert caught.value.issues[0].fix == "ask for one of them: decoder[0]"


def test_every_layer_has_figures(maps: Measured) -> None:
    found = figures(maps, [])
    names = {"filters-decoder-0", "filters-decoder-1", "reconstructions", "codes-Z-0", "codes-Z-1", "maps-Z-0", "maps-Z-1"}
    assert names <= set(found)
    assert found["filters-decoder-1"]().axes[0].images


def test_a_procedure_is_measured_by_what_it_infers_itself(maps: Measured) -> None:
    for slot in range(2):
        code = maps.solved("code").variables[f"Z[{slot}]"]
        expected = float((code.abs() > 1e-3 * code.double().square().mean().sqrt()).double().mean())
        assert Active().measure(maps, f"code[{slot}]") == pytest.approx(expected)
        assert maps.solved(f"code[{slot}]").latents == (f"Z[{slot}]",)
    assert maps.solved("code").latents == ("Z[0]", "Z[1]")


def test_a_procedure_runs_alone_but_for_what_it_waits_for(stack: Measured) -> None:
    assert stack.model.sequence("code[1]", {"Y"}, ()) == ("code[0]", "code[1]")
    assert stack.model.sequence("code[0]", {"Y"}, ["Z[2]"]) == ("code[0]", "code[1]", "code[2]")
    seeing = stack.seeing(["reconstruction[0]", "small[0]"], ())
    alone, everything = seeing.solved("code[0]", seeing.touched), seeing.solved("code[0]")
    assert "Z[0]" in alone.variables and "Z[1]" not in alone.variables and "Z[2]" in everything.variables
    assert set(alone.shares) == {"reconstruction[0]", "small[0]"}
    torch.testing.assert_close(seeing.energies(alone), seeing.energies(everything))
    assert stack.touched is None
    whole = stack.seeing((), ["small[2]"])
    assert Energy().measure(whole, "code[0]") == pytest.approx(float(whole.energies(everything).mean()))


def test_slots_are_reported_beside_each_other(stack: Measured) -> None:
    (told,) = evaluate(stack).procedures
    assert told.procedure == "code" and set(told.active) == {"Z[0]", "Z[1]", "Z[2]"}


@pytest.mark.parametrize("slot", [0, 1, 2])
def test_noise_goes_through_the_layers_and_back(stack: Measured, slot: int) -> None:
    """With squares alone every code is a matrix: the gain is that of a linear filter."""
    sigma = 0.6
    found = stack.denoised(f"code[{slot}]", sigma)
    clean, noisy, restored = (each.numpy() for each in (found.clean, found.noisy, found.restored))
    assert (clean == stack.given["Y"]).all()
    assert np.std(noisy - clean) == pytest.approx(sigma, rel=0.06)
    code, back = noisy, np.eye(16)
    for layer in range(slot + 1):
        d = matrix(stack, layer)
        code = code @ np.linalg.solve(d.T @ d + 0.1 * np.eye(d.shape[1]), d.T).T
        back = back @ d
    np.testing.assert_allclose(restored, code @ back.T, atol=2e-5)
    gain = 10 * np.log10(((noisy - clean) ** 2).sum() / ((code @ back.T - clean) ** 2).sum())
    assert DenoisingGain().measure(stack, f"code[{slot}]", sigma) == pytest.approx(gain, abs=1e-3)


def test_the_code_of_a_higher_layer_goes_back_to_the_picture(maps: Measured) -> None:
    found = maps.denoised("code[1]", 0.1)
    assert (found.clean.flatten(1).numpy() == maps.given["X"].reshape(6, -1)).all()
    x = found.noisy.float()
    z = maps.model.predict("code", X=x).variables["Z[1]"]
    below = maps.model.evaluate(("decoder[1](Z[1])",), **{"Z[1]": z})["decoder[1](Z[1])"]
    expected = maps.model.evaluate(("decoder[0](Z[0])",), **{"Z[0]": below})["decoder[0](Z[0])"].detach()
    torch.testing.assert_close(found.restored.float(), expected, rtol=1e-4, atol=1e-5)
    assert np.isnan(DenoisingGain().measure(maps, "code[0]", 0.0))


CROPPED = """
factorgraph: 1
variables:
  X: {kind: observed, shape: [1, 8, 8]}
  Z: {kind: latent, shape: [3, 6, 6]}
functions:
  encoder: {type: convolution, kernel: 3, padding: valid, bias: false}
  decoder: {type: convolution, kernel: 3, padding: full, bias: false}
  inside:  {type: crop, margin: 2}
factors:
  prediction:     {type: squared_distance, between: [Z, encoder(X)]}
  reconstruction: {type: squared_distance, between: [inside(decoder(Z)), inside(X)]}
inference:
  fast: {method: amortized, of: Z, by: encoder(X)}
data: {source: natural_patches, size: 8, count: 20, test: 5, bind: {X: image}}
"""


def test_what_is_compared_through_a_crop_is_restored_there() -> None:
    on = measured(CROPPED)
    there = on.denoised("fast", 0.3)
    clean, noisy, restored = (each.float().reshape(5, 4, 4) for each in (there.clean, there.noisy, there.restored))
    np.testing.assert_array_equal(clean, on.given["X"].reshape(5, 8, 8)[:, 2:6, 2:6])
    whole = on.kept("fast", {}, "X", 0.3)  # known by what it is about
    torch.testing.assert_close(noisy, whole.variables["X"][:, 0, 2:6, 2:6])
    found = on.model.evaluate(("decoder(Z)",), Z=whole.variables["Z"])["decoder(Z)"].detach()
    torch.testing.assert_close(restored, found[:, 0, 2:6, 2:6])


LEADS_BACK = "reconstruction: {type: squared_distance, between: [inside(decoder(Z)), inside(X)]}"


def test_a_code_that_does_not_lead_back_is_told() -> None:
    with pytest.raises(RunError, match="FG644"):
        measured(CROPPED.replace(LEADS_BACK, "rest: {type: l1, of: Z}")).denoised("fast", 0.3)


SIZES_ALIKE = """
factorgraph: 1
variables:
  Y: {kind: observed, shape: [64]}
  Z: {kind: latent, shape: [64]}
  U: {kind: latent, shape: [64]}
functions:
  decoder:  {type: linear, bias: false}
  first:    {type: linear, units: 64}
  second:   linear
  upper:    linear
  forecast: linear
factors:
  reconstruction: {type: squared_distance, between: [Y, relu(decoder(Z))]}
  prediction:     {type: squared_distance, between: [Z, second(tanh(first(Y)))]}
  above:          {type: squared_distance, between: [Z, upper(U)]}
  ahead:          {type: squared_distance, between: [U, forecast(Z)]}
inference: {optimal: {method: argmin, of: [Z, U], steps: 3}}
data: {source: digits, count: 20, test: 4, prepare: [unit_norm], bind: {Y: image}}
"""


def test_a_code_of_as_many_units_as_a_picture_has_pixels_is_no_picture() -> None:
    on = measured(SIZES_ALIKE)
    assert on.pictured_functions() == ("decoder", "first", "upper", "forecast")  # the decoder draws what is above it
    assert unit_by_unit(on.graph, ["Y"]) == {"Y", "decoder(Z)", "relu(decoder(Z))"}
    assert unit_by_unit(on.graph, ["Z"]) >= {"Z", "upper(U)", "second(tanh(first(Y)))"}
    for asked, fine in (("relu(decoder(Z))", True), ("upper(U)", False), ("second(tanh(first(Y)))", False)):
        figure = loads(SIZES_ALIKE + f"figures: {{parts: {{type: progressive, of: {asked}}}}}")
        draw = asked_figures(figure, lambda state: on)["parts"]
        if fine:
            assert draw() is not None
            continue
        with pytest.raises(RunError, match="FG428") as refused:
            draw()
        assert refused.value.issues[0].allowed == "decoder(Z), relu(decoder(Z))"


def test_units_of_what_is_compared_through_one_function_are_alike_before_it() -> None:
    graph = measured(CROPPED).graph
    assert unit_by_unit(graph, ["X"]) == {"X", "decoder(Z)"}
    assert unit_by_unit(graph, ["inside(X)"]) == {"inside(X)", "inside(decoder(Z))"}
