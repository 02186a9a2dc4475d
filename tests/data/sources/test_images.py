"""Whole pictures at one size, folders as labels."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from factorgraph.data import images
from factorgraph.data.dataset import load_data
from factorgraph.data.inputs import read_input
from factorgraph.data.model import Request
from factorgraph.data.sources.images import Images
from factorgraph.errors import DataError


@pytest.fixture
def animals(tmp_path):
    """Seven pictures in each of three folders, of one brightness each."""
    for number, name in enumerate(("dog", "cat", "ant")):
        (tmp_path / "animals" / name).mkdir(parents=True)
        for each in range(7):
            values = np.full((9 + each, 14, 3), 10 * (7 * number + each), dtype=np.uint8)
            Image.fromarray(values).save(tmp_path / "animals" / name / f"{each}.png")
    return tmp_path


def test_folders_in_the_order_of_their_names_are_labels(animals):
    splits = Images(size=5, folder="animals").load(Request(roots=(animals,)))
    assert splits.about["labels"] == ["ant", "cat", "dog"] and (splits.train.rows, splits.test.rows) == (19, 2)
    for table in (splits.train, splits.test):
        level = np.rint(table.fields["image"][:, 2, 2] * 255 / 10).astype(int)  # 0 to 20: dogs, cats, ants
        assert (table.fields["label"] == 2 - level // 7).all() and table.fields["label"].dtype == np.int64
        assert table.fields["image"].shape[1:] == (5, 5) and table.fields["image"].dtype == np.float32
    assert not set(splits.train.groups) & set(splits.test.groups)


def test_equal_pictures_are_one_and_a_picture_beside_the_folders_is_told(animals):
    (animals / "animals" / "cat" / "copy.png").write_bytes((animals / "animals" / "cat" / "0.png").read_bytes())
    assert Images(folder="animals").load(Request(roots=(animals,))).about["pictures"] == 21
    (animals / "animals" / "2.png").write_bytes((animals / "animals" / "cat" / "0.png").read_bytes())
    with pytest.raises(DataError, match=r"FG541[^\n]*1 pictures beside"):
        Images(folder="animals").load(Request(roots=(animals,)))


@pytest.mark.parametrize("colors", [1, 3])
@pytest.mark.parametrize(("height", "width"), [(12, 20), (20, 12), (12, 12), (4, 8)])
def test_the_middle_square_at_the_size(photographs, colors, height, width):
    folder = photographs([(height, width)] * 4, mode="RGB")
    found = Images(size=4, colors=colors, folder="photographs").load(Request(test=1, roots=(folder.parent,)))
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    for row, picture in zip(found.train.groups, found.train.fields["image"], strict=True):
        middle = np.asarray(Image.open(sorted(folder.iterdir())[row]), dtype=float)[top : top + side, left : left + side] / 255
        expected = middle if side == 4 else _tent(_tent(middle, 4, 0), 4, 1)
        expected = expected @ images.ITU_601 if colors == 1 else expected.transpose(2, 0, 1)
        assert np.abs(picture - expected).max() < 1e-5


def _tent(x, size, axis):
    """Each new pixel is the mean under a tent as wide as two of them: the definition, written out."""
    old, scale = x.shape[axis], x.shape[axis] / size
    weights = np.asarray([[max(0, 1 - abs((j + 0.5) / scale - (i + 0.5))) for j in range(old)] for i in range(size)])
    return np.moveaxis(np.tensordot(weights / weights.sum(1, keepdims=True), x, (1, axis)), 0, axis)


def test_a_flat_folder_has_no_labels_and_the_bundled_photographs_are_two(photographs, spec_of, source):
    folder = photographs([(9, 9)] * 6)
    splits = Images(folder="photographs").load(Request(roots=(folder.parent,)))
    assert set(splits.train.fields) == {"image"} and "labels" not in splits.about
    spec = spec_of(source("images", folder="photographs"), {"X": "image", "L": "label"})
    with pytest.raises(DataError, match=r"FG506[^\n]*no field label"):
        load_data(spec, {"X": (12, 12), "L": (3,)}, [folder.parent])
    bundled = Images(size=32, colors=3).load(Request())
    assert bundled.train.fields["image"].shape == bundled.test.fields["image"].shape == (1, 3, 32, 32)


def test_what_was_read_of_folders_that_are_labels_is_told(tmp_path):
    for name in ("cats", "dogs", ".thumbnails", "words"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        (tmp_path / "pets" / name / "notes.txt").write_text("no picture")
    for number, name in enumerate(("cats", "cats", "dogs", "dogs", ".thumbnails")):
        Image.fromarray(np.full((9, 9, 3), (number, 9, 9), dtype=np.uint8)).save(tmp_path / "pets" / name / f"{number}.png")
    splits = Images(size=6, folder="pets").load(Request(roots=(tmp_path,)))
    assert splits.about["labels"] == ["cats", "dogs"]
    assert splits.notes[0] == "photographs: 4 pictures, 2 files left out: notes.txt, notes.txt; 1 folder is not entered"
    assert splits.notes[1].startswith("0.png, 1.png, 2.png and 1 more: in colour, and this model sees grey")
    (tmp_path / "pets" / "cats" / "0.png").write_text("no picture")
    (tmp_path / "pets" / "dogs" / "3.png").write_text("no picture either")
    with pytest.raises(DataError) as caught:
        Images(size=6, folder="pets").load(Request(roots=(tmp_path,)))
    assert [each.code for each in caught.value.issues] == ["FG512", "FG512"]


def test_a_users_picture_is_seen_as_those_of_training(photographs, spec_of, source, tmp_path):
    folder = photographs([(15, 11)] * 5, mode="RGB")
    spec = spec_of(source("images", size=6, colors=3, folder="photographs"), {"X": "image"}, ["center"])
    data = load_data(spec, {"X": (3, 6, 6)}, [folder.parent])
    row = int(data.groups["train"][2])
    found = read_input(sorted(folder.iterdir())[row], data.preparation)
    assert np.abs(found.variables["X"][0] - data.train["X"][2]).max() < 1e-6
    (back,) = found.assemble("X", found.variables["X"])
    assert np.abs(back - data.fields["train"]["image"][2]).max() < 1e-5
    with pytest.raises(DataError, match="FG521"):
        read_input(folder, data.preparation, stride=2)
