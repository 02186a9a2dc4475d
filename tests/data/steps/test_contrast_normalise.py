from __future__ import annotations

import numpy as np
import pytest

from factorgraph.data.steps.contrast_normalise import ContrastNormalise
from factorgraph.structure import ShapeError


def by_hand(x, window):
    """Pixel by pixel, (channels, height, width): means and deviations over what the window covers of the picture."""
    channels, height, width = x.shape
    half, wide = window // 2, window / 4

    def around(values, i, j):
        total = weight = 0.0
        for a in range(max(i - half, 0), min(i + half + 1, height)):
            for b in range(max(j - half, 0), min(j + half + 1, width)):
                w = np.exp(-((a - i) ** 2 + (b - j) ** 2) / (2 * wide**2))
                total, weight = total + w * values[:, a, b].sum() / channels, weight + w
        return total / weight

    pixels = [(i, j) for i in range(height) for j in range(width)]
    mean = np.asarray([around(x, i, j) for i, j in pixels]).reshape(height, width)
    v = x - mean
    s = np.sqrt(np.asarray([around(v**2, i, j) for i, j in pixels]).reshape(height, width))
    return v / np.maximum(s, s.mean())


@pytest.mark.parametrize(("channels", "window"), [(1, 5), (3, 5), (4, 9), (2, 1)])
def test_it_is_what_is_written(channels, window):
    x = np.random.default_rng(2).random((2, channels, 7, 6)) ** 3
    x = x if channels > 1 else x[:, 0]
    step = ContrastNormalise(window=window)
    expected = [by_hand(each.reshape(channels, 7, 6), window).reshape(each.shape) for each in x]
    assert np.allclose(step.apply(x, step.fit(x)), expected)


def test_brightness_and_contrast_of_a_picture_do_not_matter():
    x = np.random.default_rng(2).random((3, 16, 16))
    step = ContrastNormalise()
    state = step.fit(x)
    assert np.allclose(step.apply(0.37 * x + 2, state), step.apply(x, state))


@pytest.mark.parametrize("value", [0.0, 0.1, 255.0])
def test_a_flat_picture_stays_flat(value):
    random = np.random.default_rng(2).random((3, 16, 16))
    step = ContrastNormalise()
    assert np.abs(step.apply(np.full((1, 16, 16), value), step.fit(random))).max() < 1e-9
    assert np.abs(step.apply(np.zeros((1, 16, 16)), step.fit(np.zeros((1, 16, 16))))).max() == 0


@pytest.mark.parametrize("shape", [(6, 7), (3, 6, 7)])
def test_the_transpose_is_the_adjoint_of_subtracting_the_neighbourhood(shape):
    random = np.random.default_rng(3)
    x, y = random.standard_normal((2, 1, *shape))
    step = ContrastNormalise(window=3)
    state = step.fit(random.standard_normal((5, *shape)))
    subtracted = x - step.remember(x, state)["mean"]
    assert np.isclose((y * subtracted).sum(), (step.transpose(y, state) * x).sum())


def test_windows_have_a_middle_and_samples_two_sides():
    with pytest.raises(ValueError, match="odd"):
        ContrastNormalise(window=4)
    for shape in ((5,), (1, 2, 3, 4)):
        with pytest.raises(ShapeError):
            ContrastNormalise().output_shape(shape)
