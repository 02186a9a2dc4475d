"""Solvers that know convolution, from a spec to a code: they find what solvers find that know nothing of it."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import factorgraph as fg
from factorgraph.compile.model import Model
from factorgraph.compile.plan import describe
from factorgraph.errors import SpecError
from tests.compile.specs import spec

PICTURES = """
factorgraph: 1
variables:
  X: {kind: observed, shape: [1, 8, 7]}
  Z: {kind: latent, shape: [3, 6, 5]}
functions:
  decoder: {type: convolution, kernel: 3, padding: full, bias: false, unit_norm: columns}
  inside:  {type: crop, margin: 2}
factors:
  reconstruction: {type: squared_distance, between: [X, decoder(Z)], weight: 0.5}
  prediction:     {type: squared_distance, between: [0.8, Z], weight: 0.29}
  sparsity:       {type: l1, of: Z, weight: 0.37}
inference:
  optimal: {method: argmin, of: Z}
"""
MASKED = {"factors.reconstruction.between": ["inside(X)", "inside(decoder(Z))"]}
COLOUR = {"variables.X.shape": [3, 8, 7], "factors.reconstruction.weight": 0.61}
DRAWN = {  # by an encoder's transpose, whose codes are as large as the picture
    "functions.decoder": {"type": "convolution", "kernel": 4, "bias": False},
    "variables.Z.shape": [3, 8, 7],
    "factors.reconstruction.between": ["X", "decoder.transpose(Z)"],
}
LARGE = {  # codes larger than the picture
    "functions.decoder": {"type": "convolution", "kernel": 4, "padding": "valid"},
    "variables.Z.shape": [2, 11, 10],
}
PADDED = {"functions.decoder": {"type": "convolution", "kernel": 3, "padding": 1}, "variables.Z.shape": [2, 8, 7]}
FLAT = {"variables.X.shape": [8, 7], "variables.Z.shape": [6, 5]}
NONNEGATIVE = {"variables.Z.domain": "nonnegative"}
KINDS: dict[str, dict[str, Any]] = {
    "whole": {},
    "masked": MASKED,
    "colour": {**MASKED, **COLOUR},
    "drawn": DRAWN,
    "large": LARGE,
    "padded": PADDED,
    "alone": {"factors.prediction.weight": 0},
    "flat": FLAT,
    "nonnegative": {**MASKED, **NONNEGATIVE},
    "scaled": {"factors.reconstruction.between": ["inside(X)", "inside(0.5 * -decoder(Z) + 0.3)"]},
    "difference": {"factors.reconstruction.between": ["2 * inside(X - 0.7 * decoder(Z))", 0.1]},
}
STEPS = {"admm": 800, "fista": 400, "coordinate_descent": 2000}
each = pytest.mark.parametrize("kind", KINDS)


def model_of(changes: dict[str, Any], solver: str | dict[str, Any], **options: Any) -> Model:
    search = {"method": "argmin", "of": "Z", "solver": solver, "steps": STEPS.get(str(solver), 400), "tolerance": 1e-10}
    torch.manual_seed(0)
    return fg.build(spec(PICTURES, **{**changes, "inference.optimal": {**search, **options}})).double()


def twins(monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], solver: str, **options: Any) -> tuple[Model, Model]:
    """A model that uses the convolution and one that multiplies by the Hessian; both with the same parameters, biases too."""
    usual = model_of(changes, solver, **options)
    monkeypatch.setattr("factorgraph.compile.planner.SMALL_CONVOLUTION", 0)
    named = model_of(changes, solver, **options)
    assert usual.inferences["optimal"].plan.kernel == "gram"
    with torch.no_grad():
        for number, each in enumerate(named.parameters()):
            each.add_(torch.randn(each.shape, generator=torch.Generator().manual_seed(number)), alpha=0.3)
    named.project()
    usual.load_state_dict(named.state_dict())
    return named, usual


def pictures(model: Model, batch: int = 2) -> torch.Tensor:
    shape = model.graph.variables["X"].shape
    return 2 * torch.randn(batch, *shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@each
def test_the_minimum_by_frequencies_is_the_minimum(kind, monkeypatch):
    named, usual = twins(monkeypatch, KINDS[kind], "admm")
    assert named.inferences["optimal"].plan.kernel == "fourier"
    x = pictures(named)
    found, known = named.infer(X=x), usual.infer(X=x)
    torch.testing.assert_close(found.energy, known.energy, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(found["Z"], known["Z"], rtol=1e-4, atol=1e-4)
    assert (found["Z"] == 0).any() and (found["Z"] != 0).any()


def test_of_many_maps_40_steps_are_enough():
    """The price knows how many maps there are for a picture: at that of a single one 1.6 % of the energy would be left."""
    changes = {
        **MASKED,
        "variables.X.shape": [1, 20, 20],
        "variables.Z.shape": [24, 16, 16],
        "functions.decoder.kernel": 5,
        "functions.inside.margin": 4,
        "factors.prediction.weight": 0,
        "factors.sparsity.weight": 1,
    }
    soon, late = model_of(changes, "admm", steps=40), model_of(changes, "admm", steps=400)
    x = pictures(soon).cumsum(-1).cumsum(-2) / 16  # smooth, as photographs are
    with torch.no_grad():
        found, least = soon.infer(X=x).energy.mean(), late.infer(X=x).energy.mean()
    assert least * (1 - 1e-6) <= found <= least * 1.001


@each
def test_moving_unit_by_unit_finds_it_too(kind, monkeypatch):
    """Each step is the same as with columns of the Hessian, at borders and behind masks."""
    named, usual = twins(monkeypatch, KINDS[kind], "coordinate_descent", steps=60)
    assert named.inferences["optimal"].plan.kernel == "slices"
    x = pictures(named)
    found, known = named.infer(X=x), usual.infer(X=x)
    torch.testing.assert_close(found["Z"], known["Z"], rtol=1e-8, atol=1e-10)
    assert 1 < (found["Z"] != 0).flatten(1).sum(1).min() <= 60


@pytest.mark.parametrize("solver", STEPS)
def test_of_a_single_pixel_the_code_is_the_picture_shrunk(solver, monkeypatch):
    monkeypatch.setattr("factorgraph.compile.planner.SMALL_CONVOLUTION", 0)
    pixel = {"variables.Z.shape": [1, 8, 7], "functions.decoder.padding": "same", "factors.prediction.weight": 0}
    model = model_of(pixel, solver)
    with torch.no_grad():
        kernel = torch.zeros(1, 1, 3, 3)
        kernel[0, 0, 1, 1] = 1.0
        next(model.parameters()).copy_(kernel)
    x = pictures(model)
    torch.testing.assert_close(model.infer(X=x)["Z"], x.sign() * (x.abs() - 0.37).clamp_min(0), rtol=0, atol=1e-5)


def test_unit_by_unit_agrees_with_fista(monkeypatch):
    monkeypatch.setattr("factorgraph.compile.planner.SMALL_CONVOLUTION", 0)
    models = [
        model_of({**MASKED, "factors.sparsity.weight": 1.2}, solver, tolerance=1e-4) for solver in ("coordinate_descent", "fista")
    ]
    found, known = (each.infer(X=pictures(each)) for each in models)
    assert models[0].inferences["optimal"].plan.kernel == "slices"
    torch.testing.assert_close(found.energy, known.energy, rtol=1e-4, atol=0)


@each
def test_a_gradient_by_frequencies_is_the_gradient(kind, monkeypatch):
    models = []
    for worth, kernel in ((1000, "gradient"), (0, "fourier")):
        monkeypatch.setattr("factorgraph.compile.convolved.TRANSFORMED", worth)
        models.append(model_of(KINDS[kind], "fista", steps=20))
        assert models[-1].inferences["optimal"].plan.kernel == kernel
    usual, named = models
    x = pictures(named)
    found, known = named.infer(X=x), usual.infer(X=x)
    torch.testing.assert_close(found["Z"], known["Z"], rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(found.certificate, known.certificate, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("side", "kernel"), [(9, "fourier"), (3, "gradient")])
def test_frequencies_are_worth_it_for_large_kernels(side, kernel):
    changes = {"functions.decoder.kernel": side, "variables.X.shape": [1, 48, 48], "variables.Z.shape": [3, *[49 - side] * 2]}
    plan = model_of(changes, "fista").inferences["optimal"].plan
    assert plan.kernel == kernel


def test_a_large_convolution_is_taken_by_frequencies_and_a_small_one_by_its_hessian():
    large = {"variables.X.shape": [1, 40, 40], "variables.Z.shape": [3, 38, 38]}
    plan = model_of(large, "admm").inferences["optimal"].plan
    assert plan.units > 4096 and plan.kernel == "fourier"
    assert "Fourier" in describe(plan, "")
    assert model_of({}, "admm").inferences["optimal"].plan.kernel == "gram"


@pytest.mark.parametrize(
    "changes",
    [
        {"functions.decoder.stride": 2, "variables.X.shape": [1, 41, 41], "variables.Z.shape": [1, 79, 79]},
        {"factors.reconstruction.between": ["X", "X * decoder(Z)"], "variables.Z.shape": [1, 70, 70]},
        {"factors.prediction.between": ["inside(Z)", 0], "variables.Z.shape": [1, 70, 70]},
    ],
)
def test_what_is_more_than_one_convolution_of_stride_1_is_too_large(changes):
    with pytest.raises(SpecError, match="at most 4096 units"):
        model_of({"variables.X.shape": [1, 72, 72], **changes}, "admm")


def test_rows_leave_as_they_converge_and_find_what_they_find_alone(monkeypatch):
    monkeypatch.setattr("factorgraph.compile.planner.SMALL_CONVOLUTION", 0)
    model = model_of(MASKED, "admm", tolerance=1e-3)
    x = pictures(model, 3) * torch.tensor([0.1, 1.0, 4.0]).view(3, 1, 1, 1)
    found = model.infer(X=x)
    assert len(found.steps.unique()) > 1
    for row in range(0, 3, 2):
        torch.testing.assert_close(found["Z"][row], model.infer(X=x[row : row + 1])["Z"][0])


@pytest.mark.parametrize("solver", ["admm", "coordinate_descent"])
def test_it_has_shapes_where_there_are_no_values(solver, monkeypatch):
    monkeypatch.setattr("factorgraph.compile.planner.SMALL_CONVOLUTION", 0)
    model = model_of({**MASKED, **COLOUR}, solver, steps=12).to("meta")
    assert model.infer(X=pictures(model).to("meta"))["Z"].shape == (2, 3, 6, 5)


def test_a_sparse_copy_ends_within_two_percent_of_the_minimum_and_is_sparse():
    """Kernels of norm 1 and l1 alone; the first of what is asked of deconvolutional networks' inference."""
    changes = {**MASKED, "factors.prediction.weight": 0, "variables.X.shape": [1, 14, 13], "variables.Z.shape": [4, 12, 11]}
    half, known = model_of(changes, "half_quadratic", steps=240), model_of(changes, "fista", steps=400)
    known.load_state_dict(half.state_dict())
    x = pictures(half)
    found, least = half.infer(X=x), known.infer(X=x)
    assert half.inferences["optimal"].plan.kernel == "gradient"
    assert (found.energy <= 1.02 * least.energy).all() and (found.energy >= least.energy * (1 - 1e-6)).all()
    assert (found["Z"] == 0).double().mean() >= 0.7


def test_the_coupling_stays_where_it_is_told_to():
    """With the last coupling at once the copy hardly leaves its start; the code before it is not what is found."""
    slow = model_of(MASKED, {"type": "half_quadratic", "first": 1e5}, steps=30)
    usual = model_of(MASKED, "half_quadratic", steps=30)
    usual.load_state_dict(slow.state_dict())
    x = pictures(slow)
    assert slow.infer(X=x)["Z"].abs().max() < 0.1 * usual.infer(X=x)["Z"].abs().max()
