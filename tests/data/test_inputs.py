"""A user's pictures become the vectors of training, and reconstructions become pictures of the input's size."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from factorgraph.data import images
from factorgraph.data.dataset import load_data
from factorgraph.data.inputs import read_input
from factorgraph.data.model import Request
from factorgraph.errors import DataError

PSD = ["remove_mean", ("drop_flat", {"share": 0.15}), ("whiten", {"floor": 0.02}), "unit_variance"]


@pytest.fixture(params=[1, 3], ids=["grey", "color"])
def trained(request, photographs, spec_of, source):
    colors = request.param
    folder = photographs([(40, 61), (33, 29)], mode="RGB")
    leaf = source("natural_patches", size=7, colors=colors, folder="photographs")
    spec = spec_of(leaf, {"Y": "image"}, PSD, count=700, seed=6)
    return load_data(spec, {"Y": (49 * colors,)}, [folder.parent]), leaf, folder


def test_a_training_patch_is_what_it_was_in_training(trained, tmp_path):
    data, leaf, folder = trained
    places, _ = leaf.places(Request(seed=6, count=700, roots=(folder.parent,)))
    drawn = leaf.load(Request(seed=6, count=700, roots=(folder.parent,))).train.fields["image"]
    numbers = {each.tobytes(): i for i, each in enumerate(drawn)}
    files = sorted(folder.iterdir())
    for row in range(0, data.rows(), 97):
        _, image, top, left = places[numbers[data.fields["train"]["image"][row].tobytes()]].tolist()
        patch = np.asarray(Image.open(files[image]))[top : top + 7, left : left + 7]
        Image.fromarray(patch).save(tmp_path / "patch.png")
        found = read_input(tmp_path / "patch.png", data.preparation)
        assert found.rows == 1 and np.abs(found.variables["Y"][0] - data.train["Y"][row]).max() < 1e-6


@pytest.mark.parametrize("stride", [None, 1, 3, 7])
@pytest.mark.parametrize(("height", "width"), [(7, 7), (7, 20), (23, 15), (50, 8)])
def test_a_perfect_reconstruction_is_the_picture(trained, tmp_path, stride, height, width):
    data, leaf, _ = trained
    values = np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)
    values[:7, :7] = 99  # a flat corner
    Image.fromarray(values).save(tmp_path / "a.png")
    found = read_input(tmp_path / "a.png", data.preparation, stride)
    (back,) = found.assemble("Y", found.variables["Y"])
    assert back.shape[-2:] == (height, width) and np.abs(back - images.read(tmp_path / "a.png", leaf.colors)).max() < 1e-4
    assert np.isfinite(found.variables["Y"]).all() and found.variables["Y"].shape == (found.rows, 49 * leaf.colors)
    step = stride or 7
    assert found.rows == (1 - (7 - height) // step) * (1 - (7 - width) // step)


def test_overlaps_are_averaged(trained, tmp_path):
    data, leaf, _ = trained
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (7, 10), dtype=np.uint8)).save(tmp_path / "a.png")
    found = read_input(tmp_path / "a.png", data.preparation)
    raw = np.zeros((2, 49 * leaf.colors), dtype=np.float32)
    raw[1] = 0.5
    object.__setattr__(found, "kept", {})  # as if there were no preparation: values are pixels
    (back,) = found.assemble("Y", raw.reshape(2, *leaf.geometry().shape))
    assert np.allclose(back[..., :3], 0) and np.allclose(back[..., 3:7], 0.25) and np.allclose(back[..., 7:], 0.5)


def test_a_folder_of_pictures(trained, tmp_path):
    data, leaf, _ = trained
    folder = tmp_path / "mine"
    folder.mkdir()
    for name, shape in (("b.png", (9, 20)), ("a.jpg", (30, 8))):
        Image.fromarray(np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)).save(folder / name)
    found = read_input(folder, data.preparation)
    assert [(each.name, each.height, each.width) for each in found.pictures] == [("a.jpg", 30, 8), ("b.png", 9, 20)]
    for picture, name in zip(found.assemble("Y", found.variables["Y"]), ("a.jpg", "b.png"), strict=True):
        assert np.abs(picture - images.read(folder / name, leaf.colors)).max() < 1e-4


def test_folders_of_pictures_are_entered_as_a_source_enters_them(trained, tmp_path):
    data, _, _ = trained
    for name in ("cats/a.png", "dogs/a.png", "z.png"):
        (tmp_path / "mine" / name).parent.mkdir(exist_ok=True, parents=True)
        Image.fromarray(np.zeros((9, 8), dtype=np.uint8)).save(tmp_path / "mine" / name)
    found = read_input(tmp_path / "mine", data.preparation)
    assert [each.name for each in found.pictures] == ["z.png", "cats_a.png", "dogs_a.png"]


def test_what_does_not_fit_says_what_would(trained, tmp_path):
    data, leaf, _ = trained
    Image.fromarray(np.zeros((6, 30), dtype=np.uint8)).save(tmp_path / "small.png")
    np.save(tmp_path / "odd.npy", np.zeros((4, 10)))
    np.save(tmp_path / "nan.npy", np.full((4, 49 * leaf.colors), np.nan))
    (tmp_path / "empty").mkdir()
    for name, code, words in (
        ("small.png", "FG514", "at least 7 x 7"),
        ("odd.npy", "FG521", "[10]"),
        ("nan.npy", "FG507", "row 0"),
        ("none.png", "FG501", "none.png"),
        ("empty", "FG504", "no images"),
    ):
        with pytest.raises(DataError, match=code) as error:
            read_input(tmp_path / name, data.preparation)
        assert words in str(error.value)
    for stride in (0, 8):
        with pytest.raises(DataError, match="FG521"):
            read_input(tmp_path / "small.png", data.preparation, stride)


def test_arrays_of_raw_samples_are_prepared(trained, tmp_path):
    data, _, _ = trained
    raw = data.fields["test"]["image"]
    for shape in (raw.shape, (len(raw), -1)):
        np.save(tmp_path / "a.npy", raw.reshape(shape))
        found = read_input(tmp_path / "a.npy", data.preparation)
        assert np.abs(found.variables["Y"] - data.test["Y"]).max() < 1e-6
        (back,) = found.assemble("Y", found.variables["Y"])
        assert np.abs(back - raw).max() < 1e-4
    np.savez(tmp_path / "a.npz", Y=np.rint(raw * 255).astype(np.uint8))
    whole = read_input(tmp_path / "a.npz", data.preparation).variables["Y"]
    assert np.abs(whole - data.test["Y"]).max() < 0.05  # luma is not a whole number


def test_arrays_of_a_source_without_pictures(spec_of, source, tmp_path):
    np.savez(tmp_path / "data.npz", x=np.random.default_rng(0).standard_normal((60, 5, 3, 2)), label=np.arange(60) % 3)
    spec = spec_of(source("arrays", file="data.npz"), {"X": "x", "L": "label"}, ["center", ("whiten", {"kept": 4})])
    data = load_data(spec, {"X": (4,), "L": (3,)}, [tmp_path])
    np.savez(tmp_path / "other.npz", a=np.zeros((2, 3)), b=np.zeros(2))
    with pytest.raises(DataError, match=r"FG521[\s\S]*fix: save an \.npz with arrays named like the variables"):
        read_input(tmp_path / "other.npz", data.preparation)
    np.save(tmp_path / "one.npy", data.fields["test"]["x"])
    found = read_input(tmp_path / "one.npy", data.preparation)
    assert set(found.variables) == {"X"} and np.allclose(found.variables["X"], data.test["X"], atol=1e-6)
    assert found.assemble("X", found.variables["X"])[0].shape == (6, 5, 3, 2)
    np.save(tmp_path / "ready.npy", data.test["X"])
    ready = read_input(tmp_path / "ready.npy", data.preparation)
    assert (ready.variables["X"] == data.test["X"]).all() and (ready.assemble("X", data.test["X"])[0] == data.test["X"]).all()
    np.savez(tmp_path / "both.npz", x=data.fields["test"]["x"], L=data.fields["test"]["label"])
    assert (read_input(tmp_path / "both.npz", data.preparation).variables["L"] == data.test["L"]).all()
    rows, names = {"x": np.zeros((3, 30)), "L": np.zeros(2, dtype=int)}, {"a": np.zeros((3, 30)), "b": np.zeros(3)}
    for named in (rows, names, {"x": np.float32(3)}):
        np.savez(tmp_path / "wrong.npz", **named)
        with pytest.raises(DataError, match="FG521"):
            read_input(tmp_path / "wrong.npz", data.preparation)
    Image.fromarray(np.zeros((9, 9), dtype=np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"FG521[\s\S]*\[rows, 5, 3, 2\]"):
        read_input(tmp_path / "a.png", data.preparation)


def test_the_shape_that_is_wanted_is_the_spec_s_own(spec_of, source, tmp_path):
    np.savez(tmp_path / "data.npz", x=np.random.default_rng(0).standard_normal((60, 3, 4)))
    np.save(tmp_path / "odd.npy", np.zeros((7, 10)))
    for prepare, shape, wanted in (([], (12,), "12"), ([], (3, 4), "3, 4"), ([("whiten", {"kept": 5})], (5,), "3, 4")):
        spec = spec_of(source("arrays", file="data.npz"), {"X": "x"}, prepare)
        data = load_data(spec, {"X": shape}, [tmp_path])
        with pytest.raises(DataError) as told:
            read_input(tmp_path / "odd.npy", data.preparation)
        assert told.value.issues[0].fix == f"save X as an array of shape [rows, {wanted}]"


def test_a_step_that_cannot_be_undone_is_named(trained, tmp_path, monkeypatch):
    data, _, _ = trained
    np.save(tmp_path / "a.npy", data.fields["test"]["image"])
    found = read_input(tmp_path / "a.npy", data.preparation)
    monkeypatch.setattr(type(data.chain.steps[2]), "undo", lambda *_: None)
    with pytest.raises(DataError, match=r"FG522[^\n]*whiten"):
        found.assemble("Y", found.variables["Y"])
