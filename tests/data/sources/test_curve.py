from __future__ import annotations

import numpy as np
import pytest

from factorgraph.data.model import Request
from factorgraph.data.sources.curve import Curve
from factorgraph.errors import DataError


def test_points_lie_on_the_formula():
    splits = Curve(turns=1.5, **{"from": 0.25}).load(Request(seed=2, count=500, test=37))
    points = splits.train.fields["point"].astype(float)
    radius, angle = np.hypot(*points.T), np.arctan2(points[:, 1], points[:, 0])
    turn = (3 * np.pi * radius - angle) / (2 * np.pi)  # t = 3 pi radius, up to whole turns
    assert np.abs(turn - np.rint(turn)).max() < 1e-5
    assert radius.min() >= 0.5 - 1e-6 and abs(np.mean(radius**2) - 0.625) < 0.03  # u = radius^2 is uniform from 0.25 to 1
    assert splits.test.rows == 37 and len(points) == 500


def test_the_parabola_and_its_noise():
    points = Curve(shape="parabola").load(Request(count=400)).train.fields["point"]
    assert np.allclose(points[:, 1], points[:, 0] ** 2, atol=1e-6) and points[:, 0].min() < -0.9 and points[:, 0].max() > 0.9
    clean = Curve(shape="parabola", jitter=0.0).load(Request(count=4000)).train.fields["point"]
    noisy = Curve(shape="parabola", jitter=0.1).load(Request(count=4000)).train.fields["point"]
    assert abs((noisy - clean).std() - 0.1) < 0.005


SPIRALS = [Curve(), Curve(turns=1.5, **{"from": 0.25})]
PARABOLAS = [Curve(shape="parabola"), Curve(shape="parabola", **{"from": 0.5})]


@pytest.mark.parametrize("curve", SPIRALS + PARABOLAS)
def test_distance_is_that_to_the_nearest_of_very_many_points(curve):
    points = np.random.default_rng(3).uniform(-1.2, 1.2, (60, 2))
    u = curve.start + (1 - curve.start) * np.linspace(0, 1, 50_001) ** 2
    oracle = np.asarray([np.hypot(*(curve.at(u) - point).T).min() for point in points])
    assert np.abs(curve.distance(points) - oracle).max() < 2e-5
    assert curve.distance(curve.at(u[::250])).max() < 1e-5


def test_background_is_far_in_the_box_and_deterministic():
    curve = Curve(box=1.2, gap=0.1)
    found = curve.background(700, seed=4)
    assert found.shape == (700, 2) and np.abs(found).max() <= 1.2 and np.abs(found).max() > 1.1
    assert curve.distance(found).min() > 0.1 - 1e-6
    assert (found == curve.background(700, seed=4)).all() and (found != curve.background(700, seed=5)).any()


def test_no_room_for_a_background():
    with pytest.raises(DataError, match="FG509"):
        Curve(gap=5).background(10, seed=0)


def test_more_tests_change_no_training_point():
    few, many = (Curve().load(Request(seed=1, count=50, test=test)) for test in (3, 40))
    assert (few.train.fields["point"] == many.train.fields["point"]).all()
    assert not set(map(bytes, few.train.fields["point"])) & set(map(bytes, many.test.fields["point"]))


@pytest.mark.parametrize(("test", "rows"), [(None, 20), (7, 7), (0.25, 50), (0.0, 0)])
def test_how_many_are_held_out(test, rows):
    assert Curve().load(Request(count=200, test=test)).test.rows == rows


@pytest.mark.parametrize("test", [1.0, -0.1, 2.5])
def test_a_share_is_a_share(test):
    with pytest.raises(DataError, match="FG520"):
        Curve().load(Request(count=200, test=test))


def test_far_too_many_points_are_refused_before_memory_is_taken():
    with pytest.raises(DataError, match=r"FG508[^\n]*GB"):
        Curve().load(Request(count=10**14))
