"""Windows with and without people: what tells them apart, and how INRIA's folder is read."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from factorgraph.data.model import Request
from factorgraph.data.sources.pedestrians import LUMA, Pedestrians
from factorgraph.errors import DataError
from factorgraph.graph.resolve import resolve
from factorgraph.spec.load import load


@pytest.fixture(scope="module")
def made():
    return Pedestrians(height=66, width=42).load(Request(seed=3, count=60, test=20))


def test_half_of_the_windows_show_a_person(made):
    assert made.train.fields["person"].mean() == made.test.fields["person"].mean() == 0.5
    luminance, color = made.train.fields["luminance"], made.train.fields["color"]
    assert luminance.shape == (60, 1, 66, 42) and color.shape == (60, 2, 66, 42)
    assert luminance.min() >= 0 and luminance.max() <= 1 and np.abs(color).max() <= 0.5


def test_windows_depend_on_the_seed_and_the_split_alone(made):
    again = Pedestrians(height=66, width=42).load(Request(seed=3, count=10, test=20))
    assert np.array_equal(again.train.fields["luminance"], made.train.fields["luminance"][:10])
    assert np.array_equal(again.test.fields["color"], made.test.fields["color"])
    other = Pedestrians(height=66, width=42).load(Request(seed=4, count=10, test=2))
    assert not np.allclose(other.train.fields["luminance"], again.train.fields["luminance"])
    assert not np.allclose(made.train.fields["luminance"][0], made.test.fields["luminance"][0])


def test_the_cloth_of_people_runs_across():
    """Where a body is, neighbours below each other differ more than neighbours beside each other, at the pitch of the cloth."""
    source = Pedestrians()
    windows, labels = source._made(80, 0, "train")
    grey = np.tensordot(windows, np.asarray(LUMA[0]), axes=(1, 0))[:, 35:60, 32:46]
    power = np.abs(np.fft.fft2(grey - grey.mean((1, 2), keepdims=True))) ** 2
    across = power[:, round(25 / 3), 0] - power[:, 0, round(14 / 3)]
    assert np.mean(across[labels == 1] > 0) > 0.9
    assert np.mean(across[labels == 0] > 0) < 0.7


@pytest.fixture
def inria(tmp_path):
    """A folder made in the layout of the set: people 96 high with a border, pictures of any size without them."""
    random = np.random.default_rng(0)

    def put(name, size, count, level):
        (tmp_path / name).mkdir(parents=True)
        for number in range(count):
            values = (level + random.integers(0, 40, (*size, 3))).astype(np.uint8)
            Image.fromarray(values).save(tmp_path / name / f"{number}.png")

    put("96X160H96/Train/pos", (160, 96), 4, 200)
    put("70X134H96/Test/pos", (134, 70), 3, 200)
    put("Train/neg", (240, 320), 2, 20)
    put("Test/neg", (100, 60), 1, 20)
    return tmp_path


def test_inrias_folder_is_read(inria):
    splits = Pedestrians(folder=str(inria)).load(Request(seed=0, roots=(inria,)))
    for table, people, without in ((splits.train, 4, 20), (splits.test, 3, 10)):
        label, luminance = table.fields["person"], table.fields["luminance"]
        assert (label.sum(), len(label)) == (people, people + without)
        assert (luminance[label == 1] > 0.7).all() and (luminance[label == 0] < 0.3).all()
    small = Pedestrians(folder=str(inria), height=42, width=26).load(Request(seed=0, count=5, test=2, roots=(inria,)))
    assert small.train.fields["color"].shape == (5, 2, 42, 26)
    assert splits.about["pictures"] == [4, 3, 2, 1]


def test_the_middle_of_a_persons_picture_is_taken(inria):
    marked = np.zeros((160, 96, 3), dtype=np.uint8)
    marked[17 + 5, 9 + 7] = 255
    Image.fromarray(marked).save(inria / "96X160H96/Train/pos/0.png")
    splits = Pedestrians(folder=str(inria)).load(Request(seed=0, roots=(inria,)))
    luminance = splits.train.fields["luminance"][0, 0]
    assert luminance.shape == (126, 78)
    assert luminance[5, 7] == pytest.approx(1.0, abs=1e-3) and luminance.sum() == pytest.approx(1.0, abs=1e-2)


def test_a_folder_of_something_else_is_refused(tmp_path):
    with pytest.raises(DataError) as error:
        Pedestrians(folder=str(tmp_path)).load(Request(roots=(tmp_path,)))
    (it,) = error.value.issues
    assert it.code == "FG504" and "96X160H96/Train/pos or train_64x128_H96/pos" in it.message


def test_the_papers_network_has_its_17824_features():
    """Sermanet et al. 2013: 68 maps of 16 x 8, and 38 of 20 x 12 beside them."""
    graph = resolve(load("pedestrian_convnet").budget("full"))
    shapes = {key: graph.variables[key].shape for key in ("stage2", "skip")}
    assert shapes == {"stage2": (68, 16, 8), "skip": (38, 20, 12)}
    assert sum(np.prod(each) for each in shapes.values()) == 17824
