"""The Gabor share and its parts, against brute force and pictures whose answer is known."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from factorgraph.metrics._filters import direction, elongation, gabor_like, share_in_best_half
from factorgraph.metrics.anisotropy import Anisotropy
from factorgraph.metrics.orientation_gap import OrientationGap

_SPEC = importlib.util.spec_from_file_location("fakes", Path(__file__).parents[1] / "run" / "fakes.py")
fakes = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(fakes)


def share_by_hand(picture):
    """Every rectangle of half the height or half the width, one at a time."""
    power, (height, width) = picture**2, picture.shape
    sums = [power[top : top + height // 2].sum() for top in range(height - height // 2 + 1)]
    sums += [power[:, left : left + width // 2].sum() for left in range(width - width // 2 + 1)]
    return max(sums) / power.sum()


def elongation_by_hand(picture):
    """The second-moment matrix from a plain sum of complex exponentials, its eigenvalues from numpy."""
    height, width = picture.shape
    moment = np.zeros((2, 2))
    for k in range(-height, height):
        for m in range(-width, width):
            frequency = np.array([k / (2 * height), m / (2 * width)])
            down, across = (np.exp(-2j * np.pi * f * np.arange(side)) for f, side in zip(frequency, picture.shape, strict=True))
            moment += abs(down @ picture @ across) ** 2 * np.outer(frequency, frequency)
    small, large = np.linalg.eigvalsh(moment)
    return large / small


@pytest.mark.parametrize("shape", [(12, 12), (7, 10), (9, 9)])
def test_parts_agree_with_brute_force(shape):
    pictures = np.random.default_rng(3).standard_normal((4, *shape)) * np.linspace(0.1, 2, shape[1]) ** 2
    tensor = torch.as_tensor(pictures)
    assert share_in_best_half(tensor).numpy() == pytest.approx([share_by_hand(each) for each in pictures], rel=1e-12)
    assert elongation(tensor).numpy() == pytest.approx([elongation_by_hand(each) for each in pictures], rel=1e-9)


def test_small_gabors_count_at_every_orientation():
    rng = np.random.default_rng(0)
    made = []
    for _ in range(60):
        centre = tuple(rng.uniform(3.5, 7.5, 2))
        made.append(fakes.gabor(12, angle=rng.uniform(0, np.pi), centre=centre, phase=rng.uniform(0, 6.28)))
    assert gabor_like(torch.as_tensor(np.array(made))).all()


def pictures_that_do_not_count():
    down, across = np.mgrid[:12, :12] - 5.5
    yield "blob", np.exp(-(down**2 + across**2) / 4)  # local, round
    yield "ring", np.exp(-((np.hypot(down, across) - 2) ** 2)) - 0.2 * np.exp(-(down**2 + across**2) / 20)
    yield "grating", np.cos(2 * np.pi * 0.23 * across + 0.3)  # oriented, everywhere
    yield "slanted grating", np.cos(1.1 * across + 0.7 * down)
    yield "flat", np.ones((12, 12))
    yield "zeros", np.zeros((12, 12))
    yield "one pixel", np.eye(144)[70].reshape(12, 12)


@pytest.mark.parametrize("picture", [pytest.param(each, id=name) for name, each in pictures_that_do_not_count()])
def test_what_is_not_local_or_not_oriented_does_not_count(picture):
    assert not gabor_like(torch.as_tensor(picture[None])).any()


def test_noise_never_counts():
    assert not gabor_like(torch.randn(500, 12, 12, generator=torch.Generator().manual_seed(0))).any()


def test_each_criterion_is_needed():
    """A grating is oriented and not local, a blob local and not oriented: the two criteria disagree."""
    down, across = np.mgrid[:12, :12] - 5.5
    grating, blob = torch.as_tensor(np.cos(1.4 * across))[None], torch.as_tensor(np.exp(-(down**2 + across**2) / 4))[None]
    assert elongation(grating) >= 2 > elongation(blob)
    assert share_in_best_half(blob) >= 0.8 > share_in_best_half(grating)


@pytest.mark.parametrize(("length", "counts"), [(0.9, False), (1.4, False), (2.2, True), (2.6, True)])
def test_an_edge_counts_from_an_elongation_of_two(length, counts):
    """Envelopes of one lobe: the spectrum's moments go with the inverse squares of width and length."""
    down, across = np.mgrid[:12, :12] - 5.5
    lobe = torch.as_tensor(np.exp(-(down**2) / (2 * length**2) - across**2 / (2 * 1.1**2)))[None]
    assert float(elongation(lobe)) == pytest.approx(max(length / 1.1, 1.1 / length) ** 2, rel=0.15)
    assert bool(gabor_like(lobe)) == counts


def test_scale_and_sign_change_nothing_and_channels_add_up():
    pictures = torch.as_tensor(np.array([fakes.gabor(12), fakes.gabor(12, width=4.0, length=5.0)]))
    assert gabor_like(pictures).tolist() == gabor_like(-37 * pictures).tolist() == [True, False]
    assert gabor_like(torch.stack([pictures, 0 * pictures, 0.5 * pictures], 1)).tolist() == [True, False]


# --- directions


def grating(degrees, side=15, cycles=0.25):
    """A windowed wave whose frequency points in a direction, counted from the columns' axis towards the rows'."""
    middle = np.arange(side) - (side - 1) / 2
    down, across = middle[:, None], middle[None, :]
    angle = np.deg2rad(degrees)
    wave = np.cos(2 * np.pi * cycles * (across * np.cos(angle) + down * np.sin(angle)) + 0.37)
    return wave * np.exp(-(down**2 + across**2) / 2 / (side / 6) ** 2)


def direction_by_hand(picture):
    height, width = picture.shape
    found, total = 0j, 0.0
    for k in range(-height, height + 1):
        for m in range(-width, width + 1):
            frequency = (k / (2 * height + 1), m / (2 * width + 1))
            down, across = (np.exp(-2j * np.pi * f * np.arange(side)) for f, side in zip(frequency, picture.shape, strict=True))
            power = abs(down @ picture @ across) ** 2
            if k or m:
                found, total = found + power * np.exp(2j * np.arctan2(*frequency)), total + power
    return found / total


def test_a_direction_by_plain_sums():
    pictures = np.random.default_rng(2).standard_normal((3, 5, 7))
    expected = [direction_by_hand(each) for each in pictures]
    np.testing.assert_allclose(direction(torch.as_tensor(pictures)).numpy(), expected, atol=1e-12)
    colours = direction(torch.as_tensor(pictures)[:, None].repeat(1, 3, 1, 1))
    np.testing.assert_allclose(colours.numpy(), expected, atol=1e-12)


def test_spots_have_no_direction_and_gratings_have_theirs():
    middle = np.arange(9) - 4
    square = middle[:, None] ** 2 + middle**2
    round_ones = np.stack([np.exp(-square / 4), np.exp(-square / 2) - 0.5 * np.exp(-square / 4), np.zeros((9, 9))])
    assert direction(torch.as_tensor(round_ones)).abs().max() < 0.02
    angles = [0, 30, 75, 90, 120, 165]
    found = direction(torch.as_tensor(np.stack([grating(each) for each in angles])))
    assert (found.abs() > 0.8).all()
    apart = np.rad2deg(found.angle().numpy() / 2) - angles
    np.testing.assert_allclose((apart + 90) % 180 - 90, 0, atol=1)  # 0 and 180 are one direction


def test_the_gap_is_the_smallest_angle_also_over_half_a_turn():
    def on(*angles):
        filters = torch.as_tensor(np.stack([grating(each) for each in angles]))
        return type("On", (), {"filters": lambda self, name: filters})()

    assert OrientationGap().measure(on(0, 45, 90, 135), "f") == pytest.approx(45, abs=1.5)
    assert OrientationGap().measure(on(5, 60, 170), "f") == pytest.approx(15, abs=1.5)
    assert np.isnan(OrientationGap().measure(on(5), "f"))
    assert Anisotropy().measure(on(5, 60), "f").shape == (2,)
