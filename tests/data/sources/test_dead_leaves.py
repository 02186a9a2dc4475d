"""Scenes of leaves: what they cover, how their detail falls off, and what is held out."""

from __future__ import annotations

import numpy as np
import pytest

from factorgraph.data.model import Request
from factorgraph.data.sources import dead_leaves
from factorgraph.data.sources.dead_leaves import DeadLeaves
from factorgraph.errors import DataError


@pytest.fixture(scope="module")
def scenes():
    return np.stack([DeadLeaves()._scene(3, "train", number) for number in range(3)])


def test_a_scene_is_covered_with_greys_of_all_kinds(scenes):
    assert scenes.shape == (3, 160, 160) and scenes.dtype == np.float32
    assert scenes.min() >= 0 and scenes.max() <= 1
    assert np.mean(scenes == 0.5) < 0.01  # what no leaf covers
    assert abs(scenes.mean() - 0.5) < 0.15 and scenes.std() > 0.15


def test_its_spectrum_falls_off_as_that_of_photographs(scenes):
    """The power of a frequency f as f^-2 to f^-3: each octave has less, and about as much less, as the one before."""
    power = np.mean([np.abs(np.fft.fft2(each - each.mean())) ** 2 for each in scenes], axis=0)
    frequency = np.hypot(*np.meshgrid(*[np.fft.fftfreq(160) * 160] * 2))
    octaves = [np.log2(power[(frequency >= low) & (frequency < 2 * low)].mean()) for low in (2, 4, 8, 16)]
    falls = -np.diff(octaves)
    assert (falls > 1.3).all() and (falls < 3.8).all()


def test_leaves_are_painted_with_their_length_width_and_direction():
    scene = np.zeros((2, 40, 40))
    box = (slice(0, 40), slice(0, 40))
    dead_leaves._lay_down(scene, box, np.array([20.0, 15.0]), 10.0, 4.0, 0.0, np.array([0.37, 1.0]))
    rows, columns = np.nonzero(scene[0])
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (16, 24, 5, 25)
    assert set(np.unique(scene[0])) == {0.0, 0.37} and np.array_equal(scene[1] > 0, scene[0] > 0)
    turned = np.zeros((1, 40, 40))
    dead_leaves._lay_down(turned, box, np.array([20.0, 15.0]), 10.0, 4.0, np.pi / 2, np.array([1.0]))
    rows, columns = np.nonzero(turned[0])
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (10, 30, 11, 19)


def test_a_blur_is_half_itself_and_a_quarter_of_either_neighbour():
    line = np.array([[0.0, 0.0, 4.0, 0.0, 8.0]])
    assert np.array_equal(dead_leaves._blurred(line, -1), [[0.0, 1.0, 2.0, 3.0, 6.0]])
    assert np.array_equal(dead_leaves._blurred(line.T, -2), np.array([[0.0, 1.0, 2.0, 3.0, 6.0]]).T)


def test_scenes_of_their_own_are_held_out_and_patches_lie_in_them():
    splits = DeadLeaves(size=40).load(Request(3, 12, 4))
    assert splits.train.fields["image"].shape == (12, 40, 40)
    assert set(splits.train.groups) <= {0, 1} and set(splits.test.groups) == {12}
    scene = DeadLeaves(size=40)._scene(3, "train", int(splits.train.groups[0]))
    windows = np.lib.stride_tricks.sliding_window_view(scene, (40, 40))
    assert (windows == splits.train.fields["image"][0]).all((2, 3)).sum() == 1


def test_more_patches_than_the_scenes_have_places_are_refused():
    with pytest.raises(DataError, match="different patches"):
        DeadLeaves(size=80).load(Request(3, 200_000, 0))
