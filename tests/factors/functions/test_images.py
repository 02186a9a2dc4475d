"""Crops, other sizes, and contrast: against slices, torch's own interpolation, and loops."""

from __future__ import annotations

import itertools

import numpy
import pytest
import torch
from pydantic import ValidationError

from factorgraph.data.steps.contrast_normalise import ContrastNormalise as Step
from factorgraph.errors import SpecError
from factorgraph.factors.functions.contrast_normalise import ContrastNormalise
from factorgraph.factors.functions.crop import Crop
from factorgraph.factors.functions.resize import Resize
from factorgraph.graph.resolve import resolve
from factorgraph.spec.load import loads
from factorgraph.structure import ShapeError


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


IMAGES = drawn(3, 2, 7, 10)

# --- crop


def test_a_margin_is_dropped_on_all_sides_and_a_size_is_kept_in_the_middle():
    assert torch.equal(Crop(margin=2).forward(IMAGES, {}), IMAGES[..., 2:5, 2:8])
    assert torch.equal(Crop(size=(4, 5)).forward(IMAGES, {}), IMAGES[..., 1:5, 2:7])
    assert torch.equal(Crop(size=3).forward(IMAGES[:, 0], {}), IMAGES[:, 0, 2:5, 3:6])
    assert torch.equal(Crop(margin=0).forward(IMAGES, {}), IMAGES)
    assert Crop(margin=2).input_shape((2, 3, 6)) == (2, 7, 10) and Crop(size=3).input_shape((2, 3, 3)) is None


@pytest.mark.parametrize(
    ("options", "given", "why"),
    [
        ({"margin": 4}, (1, 12, 8), r"\[1, 12, 8\]: of a width of 8 its margin is at most 3"),
        ({"size": (9, 3)}, (1, 8, 8), r"of a height of 8 it keeps at most 8"),
        ({"margin": 1}, (64,), r"cannot crop \[64\]"),
    ],
)
def test_what_cannot_be_cropped_is_told_with_what_can(options, given, why):
    with pytest.raises(ShapeError, match=why):
        Crop(**options).output_shape(given, None)


@pytest.mark.parametrize("cls", [Crop, Resize])
def test_one_of_two_sizes_is_given(cls):
    both = {"size": 3, ("margin" if cls is Crop else "scale"): 1}
    for options in ({}, both):
        with pytest.raises(ValidationError, match="give one of the two"):
            cls(**options)


def test_a_mask_as_a_second_argument_is_not_joined_to_the_picture():
    text = """
factorgraph: 1
variables: {X: {kind: observed, shape: [1, 8, 8]}, M: {kind: observed, shape: [1, 8, 8]}, Y: {kind: observed, shape: [1, 4, 4]}}
functions: {cut: {type: crop, size: [4, 4]}}
factors: {near: {type: squared_distance, between: [Y, "cut(X, M)"]}}
"""
    with pytest.raises(SpecError, match="takes one value"):
        resolve(loads(text))
    assert resolve(loads(text.replace("cut(X, M)", "cut(X)"))).values["cut(X)"].shape == (1, 4, 4)


# --- resize


@pytest.mark.parametrize("size", [(7, 10), (14, 30), (5, 13), (1, 3), (20, 4)])
def test_other_sizes_are_torchs(size):
    interpolate = torch.nn.functional.interpolate
    nearest = Resize(size=size).forward(IMAGES, {})
    torch.testing.assert_close(nearest, interpolate(IMAGES, size, mode="nearest-exact"))
    between = Resize(size=size, kind="bilinear").forward(IMAGES, {})
    torch.testing.assert_close(between, interpolate(IMAGES, size, mode="bilinear", align_corners=False))


def test_a_scale_makes_whole_numbers_of_pixels():
    assert Resize(scale=2).output_shape((5, 7, 10), None) == (5, 14, 20)
    assert Resize(scale=1 / 3).output_shape((6, 9), None) == (2, 3)
    assert Resize(scale=1 / 3).input_shape((2, 3)) == (6, 9) and Resize(scale=2).input_shape((7, 4)) is None
    with pytest.raises(ShapeError, match=r"a side of 7 times 0.5 is no whole number of pixels; sides that fit: 6, 8"):
        Resize(scale=0.5).output_shape((1, 8, 7), None)
    with pytest.raises(ShapeError, match=r"a side of 10 times 0.333333 .*: 9, 12"):
        Resize(scale=1 / 3).output_shape((10, 9), None)
    with pytest.raises(ShapeError, match=r"a side of 1 times 0.1 .*: 10"):
        Resize(scale=0.1).output_shape((1, 10), None)


@pytest.mark.parametrize("kind", ["nearest", "bilinear"])
@pytest.mark.parametrize("size", [(14, 30), (5, 13), (1, 3)])
def test_the_bound_is_nearly_the_norm(kind, size):
    leaf, basis = Resize(size=size, kind=kind), torch.eye(70, dtype=torch.float64).reshape(70, 7, 10)
    norm = torch.linalg.matrix_norm(leaf.forward(basis, {}).flatten(1), 2)
    assert norm <= leaf.norm_bound({}, (7, 10)) <= 1.3 * norm


# --- contrast


def by_loops(x, window):
    """One image (maps, height, width), pixel by pixel: the maps share their mean and their deviation."""

    def smooth(values):
        found = numpy.zeros(values.shape[1:])
        for row, column in itertools.product(*map(range, found.shape)):
            total, weights = 0.0, 0.0
            for r, c in itertools.product(*map(range, found.shape)):
                if max(abs(r - row), abs(c - column)) <= window // 2:
                    weight = numpy.exp(-((r - row) ** 2 + (c - column) ** 2) / 2 / (window / 4) ** 2)
                    total, weights = total + weight * values[:, r, c].mean(), weights + weight
            found[row, column] = total / weights
        return found

    v = x - smooth(x)
    s = numpy.sqrt(smooth(v**2))
    return v / numpy.maximum(s, s.mean())


@pytest.mark.parametrize("window", [3, 5, 9])
def test_contrast_by_plain_loops(window):
    expected = numpy.stack([by_loops(image.numpy(), window) for image in IMAGES])
    torch.testing.assert_close(ContrastNormalise(window=window).forward(IMAGES, {}), torch.from_numpy(expected))


def test_it_is_what_the_preparation_of_data_does():
    for images in (IMAGES, IMAGES[:, 0]):
        step, x = Step(window=5), images.numpy()
        prepared = step.apply(x, step.fit(x))
        torch.testing.assert_close(ContrastNormalise(window=5).forward(images, {}), torch.from_numpy(prepared))


def test_light_and_contrast_do_not_matter_and_flat_images_are_zero():
    leaf = ContrastNormalise(window=5)
    torch.testing.assert_close(leaf.forward(0.37 * IMAGES - 4.2, {}), leaf.forward(IMAGES, {}))
    for flat in (torch.zeros(2, 1, 6, 6), torch.full((2, 1, 6, 6), 0.37), torch.full((2, 1, 6, 6), 3e4)):
        x = flat.requires_grad_()
        y = leaf.forward(x, {})
        assert y.abs().max() < 0.1  # rounding is no contrast
        (slope,) = torch.autograd.grad(y.sum(), x)
        assert slope.isfinite().all()


def test_contrast_needs_an_image_and_a_window_with_a_middle():
    with pytest.raises(ShapeError, match=r"takes images, .* given \[64\]"):
        ContrastNormalise().output_shape((64,), None)
    with pytest.raises(ValidationError, match="an odd number"):
        ContrastNormalise(window=4)
