from __future__ import annotations

import importlib.util
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from factorgraph.data import bundled
from factorgraph.data.images import read
from factorgraph.data.model import Request
from factorgraph.data.sources.natural_patches import NaturalPatches
from factorgraph.errors import DataError


def pixels(places, size):
    """Every pixel under the patches: {(image, row, column)}."""
    return {(i, top + a, left + b) for _, i, top, left in places.tolist() for a in range(size) for b in range(size)}


BUNDLED = [(7, 2000, None), (12, 500, None), (12, 300, 0.37), (64, 40, 9)]


@pytest.mark.parametrize(("size", "count", "test"), BUNDLED)
def test_no_pixel_of_the_bundled_photographs_is_on_both_sides(size, count, test):
    source, request = NaturalPatches(size=size), Request(seed=4, count=count, test=test)
    train, held_out = source.places(request)
    assert len(train) == count and len(held_out) == request.held_out(count) > 0
    assert not pixels(train, size) & pixels(held_out, size)
    assert set(train[:, 1]) == set(held_out[:, 1]) == {0, 1}  # both photographs are on both sides
    assert len({tuple(each) for each in train.tolist()}) == count  # each at a place of its own


FOLDERS = [([(30, 41)], 7), ([(15, 15), (9, 30)], 7), ([(23, 17)] * 9, 5), ([(20, 25)] * 12, 7), ([(14, 7)], 7)]


@pytest.mark.parametrize(("sizes", "size"), FOLDERS)
def test_no_pixel_of_a_folder_is_on_both_sides(photographs, sizes, size):
    folder = photographs(sizes)
    source, request = NaturalPatches(size=size, folder="photographs"), Request(seed=1, count=1, test=1, roots=(folder.parent,))
    train, held_out = source.places(request)
    splits = source.load(request)
    assert not pixels(train, size) & pixels(held_out, size) and not set(splits.train.groups) & set(splits.test.groups)
    if len(sizes) >= 10:
        assert not set(train[:, 1]) & set(held_out[:, 1]) and "images are held out" in splits.about["division"]


SEVERAL = [((40, 20), (100, 5)), ((50, 0.1), (50, 0.5)), ((60, 0), (10, 10))]


@pytest.mark.parametrize("sizes", [[(60, 50), (40, 70)], [(20, 25)] * 12])
@pytest.mark.parametrize("wanted", SEVERAL)
def test_no_pixel_is_on_both_sides_of_several_sources(photographs, sizes, wanted):
    folder = photographs(sizes)
    one, other = (Request(seed=1, count=count, test=test, roots=(folder.parent,)) for count, test in wanted)
    source = NaturalPatches(size=7, folder="photographs")
    found = [source.places(replace(a, beside=(b,))) for a, b in ((one, other), (other, one))]
    train, held_out = (pixels(np.concatenate(each), 7) for each in zip(*found, strict=True))
    assert train and held_out and not train & held_out


def test_about_the_wanted_share_is_held_out():
    blocks = NaturalPatches().load(Request(count=10)).about["division"]
    half = NaturalPatches().load(Request(count=10, test=0.5)).about["division"]
    assert blocks.startswith("12 of 120") and half.startswith("60 of 120")


@pytest.mark.parametrize("colors", [1, 3])
def test_patches_are_what_lies_at_their_places(photographs, colors):
    folder = photographs([(40, 31), (25, 60)], mode="RGB")
    source = NaturalPatches(size=7, colors=colors, folder="photographs")
    request = Request(count=90, test=20, roots=(folder.parent,))
    splits, places = source.load(request), source.places(request)
    whole = [read(file, colors) for file in sorted(folder.iterdir())]
    for table, at in ((splits.train, places[0]), (splits.test, places[1])):
        expected = [whole[i][..., top : top + 7, left : left + 7] for _, i, top, left in at.tolist()]
        assert (table.fields["image"] == np.stack(expected)).all() and table.fields["image"].dtype == np.float32
        assert tuple(table.fields["image"].shape[1:]) == source.fields()["image"] == ((7, 7) if colors == 1 else (3, 7, 7))


def test_the_seed_is_the_division_and_the_places():
    first, again, other = (NaturalPatches(size=7).places(Request(seed=seed, count=60)) for seed in (1, 1, 2))
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert (first[0] != other[0]).any() and (first[1] != other[1]).any()


def test_every_place_can_be_used_and_no_more(photographs):
    folder = photographs([(20, 20)])
    source = NaturalPatches(size=5, folder="photographs")
    everything = Request(count=16 * 16, test=0.0, roots=(folder.parent,))
    assert len({tuple(each) for each in source.places(everything)[0].tolist()}) == 256
    with pytest.raises(DataError, match=r"FG509[^\n]*257[^\n]*256"):
        source.load(Request(count=257, test=0.0, roots=(folder.parent,)))


def test_one_photograph_under_two_names_is_one(photographs):
    folder = photographs([(30, 30)] * 11)
    shutil.copy(folder / "03.png", folder / "copy.png")
    splits = NaturalPatches(size=7, folder="photographs").load(Request(count=9, roots=(folder.parent,)))
    assert len(splits.about["images"]) == 11 and "copy.png" not in splits.about["images"]


def test_pictures_of_any_kind_may_stand_together(photographs):
    folder = photographs([(30, 41), (20, 20)])
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (10, 50, 3), dtype=np.uint8)).save(folder / "turned.jpg", exif=exif)
    Image.fromarray(np.random.default_rng(0).integers(0, 65535, (12, 12), dtype=np.uint16)).save(folder / "deep.PNG")
    (folder / "notes.txt").write_text("not a picture")
    (folder / "more").mkdir()
    found = NaturalPatches(size=9, folder="photographs").load(Request(count=100, roots=(folder.parent,))).train.fields["image"]
    assert found.shape == (100, 9, 9) and found.min() >= 0 and found.max() <= 1


def test_what_is_wrong_with_a_folder_is_named(photographs, tmp_path):
    request = Request(count=3, roots=(tmp_path,))
    folder = photographs([(30, 41), (20, 6)])
    with pytest.raises(DataError, match=r"FG514[^\n]*01.png is 6 x 20"):
        NaturalPatches(size=7, folder="photographs").load(request)
    (folder / "01.png").write_bytes((folder / "00.png").read_bytes()[:500])
    with pytest.raises(DataError, match=r"FG512[^\n]*01.png"):
        NaturalPatches(size=7, folder="photographs").load(request)
    with pytest.raises(DataError, match=r"FG509[^\n]*cannot be divided"):
        (folder / "01.png").unlink()
        NaturalPatches(size=30, folder="photographs").load(request)
    (tmp_path / "empty").mkdir()
    for name, code in (("empty", "FG504"), ("photographs/00.png", "FG504"), ("nowhere", "FG501"), ("/etc", "FG502")):
        with pytest.raises(DataError, match=code):
            NaturalPatches(size=7, folder=name).load(request)


def test_without_scikit_learn_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setattr(bundled, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"FG503[\s\S]*pip install"):
        NaturalPatches().load(Request(count=3))
    assert importlib.util.find_spec("sklearn") is not None


def test_sizes_are_bounded_before_anything_is_read():
    with pytest.raises(DataError, match=r"FG508[^\n]*e\+\d+ GB"):
        NaturalPatches(size=10**6, folder="nowhere").load(Request())
    with pytest.raises(ValueError, match="1 for grey"):
        NaturalPatches(colors=2)


def strange(folder):
    """What cameras and other systems leave in a folder of photographs."""
    for name in ("a.heic", "notes.txt", "._00.png", ".DS_Store"):
        (folder / name).write_text("no picture")
    (folder / "more").mkdir()
    (folder / ".thumbnails").mkdir()
    shutil.copy(folder / "00.png", folder / "equal.png")


def test_what_was_read_and_what_was_not_is_told(photographs):
    folder = photographs([(30, 41), (20, 20)], mode="RGB")
    strange(folder)
    Image.fromarray(np.full((12, 12, 4), 7, dtype=np.uint8)).save(folder / "glass.png")
    found = NaturalPatches(size=9, folder="photographs").load(Request(count=100, roots=(folder.parent,)))
    assert found.about["images"] == ["00.png", "01.png", "glass.png"]
    first, glass, grey = found.notes
    assert first == (
        "photographs: 3 pictures, 1 is equal to another and left out, 2 files left out: a.heic, notes.txt;"
        " 1 folder is not entered"
    )
    assert glass == "glass.png: what is see-through was laid on white"
    assert grey.startswith("00.png, 01.png: in colour, and this model sees grey")
    told = NaturalPatches(size=9, folder="photographs", colors=3).load(Request(count=100, roots=(folder.parent,))).notes
    assert told == (first, glass)
    assert not NaturalPatches(size=9).load(Request(count=9)).notes


def test_all_wrong_pictures_are_told_at_once(photographs):
    folder = photographs([(30, 41), (20, 6), (30, 30), (30, 30)])
    (folder / "a.jpg").write_text("no picture")
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (90, 90), dtype=np.uint8)).save(folder / "cut.jpg")
    (folder / "cut.jpg").write_bytes((folder / "cut.jpg").read_bytes()[:3000])
    with pytest.raises(DataError) as caught:
        NaturalPatches(size=7, folder="photographs").load(Request(count=300, roots=(folder.parent,)))
    found = [(each.code, each.message.split("/")[-1].split(" ")[0]) for each in caught.value.issues]
    assert found == [("FG514", "01.png"), ("FG512", "a.jpg"), ("FG512", "cut.jpg")]
