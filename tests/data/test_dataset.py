"""Learning never sees the test split, and a run gets the data that it learned from, or says what has changed."""

from __future__ import annotations

import json

import numpy as np
import pytest

from factorgraph.data import chain
from factorgraph.data.dataset import load_data
from factorgraph.data.model import Splits, Table
from factorgraph.data.preparation import check_block, stored_preparation
from factorgraph.errors import DataError
from factorgraph.registry import leaves

PSD = ["remove_mean", ("drop_flat", {"share": 0.15}), ("whiten", {"floor": 0.02}), "unit_variance"]


def hashes(x):
    return {each.tobytes() for each in x + np.float32(0)}


@pytest.fixture
def patches(spec_of, source):
    return lambda **more: spec_of(source("natural_patches", size=7), {"Y": "image"}, PSD, **{"count": 3000, **more})


def test_no_test_sample_is_a_training_sample(patches, spec_of, source, tmp_path):
    for spec, shape in (
        (patches(), (49,)),
        (spec_of(source("curve"), {"Y": "point"}, count=500), (2,)),
        (spec_of(source("planted_codes", units=5, atoms=8), {"Y": "signal"}, ["unit_norm"], count=500), (5,)),
    ):
        data = load_data(spec, {"Y": shape}, [])
        assert len(data.test["Y"]) and not hashes(data.train["Y"]) & hashes(data.test["Y"])
        assert not set(data.groups["train"].tolist()) & set(data.groups["test"].tolist())


def test_equal_rows_of_a_file_are_left_out_of_the_test_split(tmp_path, spec_of, source):
    x = np.repeat(np.random.default_rng(0).standard_normal((25, 4)), 2, axis=0)
    x[-1] += 1
    x[0], x[1] = 0.0, -0.0
    np.save(tmp_path / "a.npy", x)
    data = load_data(spec_of(source("arrays", file="a.npy"), {"Y": "array"}, test=20), {"Y": (4,)}, [tmp_path])
    assert data.rows("train") == 30 and 0 < data.rows("test") < 20 and not hashes(data.train["Y"]) & hashes(data.test["Y"])
    assert data.fingerprint["test"]["rows"] == 20 and data.fingerprint["test"]["prepared_rows"] == data.rows("test")
    np.save(tmp_path / "a.npy", np.ones((9, 4)))
    with pytest.raises(DataError, match="FG518"):
        load_data(spec_of(source("arrays", file="a.npy"), {"Y": "array"}), {"Y": (4,)}, [tmp_path])


def test_noise_in_place_of_the_test_split_changes_nothing_learned(patches, monkeypatch):
    honest = load_data(patches(), {"Y": (49,)}, [])
    load = leaves("data")["natural_patches"].load

    def tampered(self, request):
        splits = load(self, request)
        noise = 1e3 * np.random.default_rng(1).standard_normal(splits.test.fields["image"].shape).astype(np.float32)
        return Splits(splits.train, Table({"image": noise}, splits.test.groups), splits.about)

    monkeypatch.setattr(leaves("data")["natural_patches"], "load", tampered)
    other = load_data(patches(), {"Y": (49,)}, [])
    assert (honest.train["Y"] == other.train["Y"]).all()
    assert all((each == other.to_tensors()[name]).all() for name, each in honest.to_tensors().items())
    assert len(other.test["Y"]) != len(honest.test["Y"]) or (other.test["Y"] != honest.test["Y"]).any()


def test_rows_fields_and_variables_belong_together(patches):
    data = load_data(patches(), {"Y": (49,)}, [])
    for split in ("train", "test"):
        prepared, _ = data.chain.apply(data.fields[split]["image"])
        values = getattr(data, split)["Y"]
        assert values.dtype == np.float32 and len(values) == data.rows(split) == len(data.groups[split])
        assert np.abs(prepared.reshape(-1, 49) - values).max() < 1e-6
    assert data.rows("train") == 2550  # 15 % of 3000 are flat
    batch = data.batch(np.asarray([5, 2, 5]))
    assert (batch["Y"] == data.train["Y"][[5, 2, 5]]).all() and (data.batch(slice(3), "test")["Y"] == data.test["Y"][:3]).all()


def test_a_run_gets_its_data_again_without_fitting(patches, monkeypatch):
    first = load_data(patches(), {"Y": (49,)}, [])
    stored = (json.loads(json.dumps(first.fingerprint)), first.to_tensors())
    monkeypatch.setattr(chain, "fit", lambda *_: pytest.fail("fitted again"))
    again = load_data(patches(), {"Y": (49,)}, [], stored)
    assert all((getattr(again, split)["Y"] == getattr(first, split)["Y"]).all() for split in ("train", "test"))
    assert again.fingerprint == first.fingerprint


def test_the_stored_preparation_is_used_without_data(spec_of, source, tmp_path):
    x = np.random.default_rng(0).standard_normal((60, 5, 3, 2))
    np.savez(tmp_path / "a.npz", x=x, label=np.arange(60) % 3)
    spec = spec_of(source("arrays", file="a.npz"), {"X": "x", "L": "label"}, ["center", ("whiten", {"kept": 4})])
    shapes = {"X": (4,), "L": (3,)}
    data = load_data(spec, shapes, [tmp_path])
    (tmp_path / "a.npz").unlink()
    preparation = stored_preparation(spec, shapes, data.to_tensors())
    assert np.allclose(preparation.chain.apply(data.fields["test"]["x"])[0], data.test["X"], atol=1e-6)
    assert (data.test["L"].argmax(axis=1) == data.fields["test"]["label"]).all() and (data.test["L"].sum(axis=1) == 1).all()
    with pytest.raises(DataError, match="FG511"):
        load_data(spec, shapes, [tmp_path], (data.fingerprint, data.to_tensors()))
    with pytest.raises(DataError, match="FG501"):
        load_data(spec, shapes, [tmp_path])


def test_changed_data_are_told_from_the_runs(spec_of, source, tmp_path):
    x = np.random.default_rng(0).standard_normal((60, 4))
    np.save(tmp_path / "a.npy", x)

    def load(stored=None, **more):
        spec = spec_of(source("arrays", file="a.npy"), {"Y": "array"}, ["center"], **more)
        return load_data(spec, {"Y": (4,)}, [tmp_path], stored)

    data = load()
    stored = (data.fingerprint, data.to_tensors())
    load(stored)
    for more in ({"seed": 4}, {"count": 40}, {"test": 9}):
        with pytest.raises(DataError, match="FG510") as error:
            load(stored, **more)
        assert next(iter(more)) in str(error.value)
    x[31, 2] += 1e-3
    np.save(tmp_path / "a.npy", x)
    with pytest.raises(DataError, match=r"FG510[\s\S]*train: 54 rows"):
        load(stored)
    with pytest.raises(DataError, match=r"FG510[^\n]*damaged"):
        load(({"options": {}}, stored[1]))


def test_a_folder_that_grew_is_changed_data(photographs, spec_of, source):
    folder = photographs([(30, 30)] * 3)
    spec = spec_of(source("natural_patches", size=7, folder="photographs"), {"Y": "image"}, count=50)
    data = load_data(spec, {"Y": (49,)}, [folder.parent])
    (folder / "zz.png").write_bytes((folder / "00.png").read_bytes())  # a copy changes nothing
    load_data(spec, {"Y": (49,)}, [folder.parent], (data.fingerprint, data.to_tensors()))
    from PIL import Image

    Image.fromarray(np.zeros((30, 30), dtype=np.uint8)).save(folder / "zz.png")
    with pytest.raises(DataError, match="FG510"):
        load_data(spec, {"Y": (49,)}, [folder.parent], (data.fingerprint, data.to_tensors()))


@pytest.mark.parametrize("shape", [(7, 7), (49,)])
def test_fields_fit_their_own_shape_or_one_axis(spec_of, source, shape):
    spec = spec_of(source("natural_patches", size=7), {"Y": "image"}, count=20)
    data = load_data(spec, {"Y": shape}, [])
    assert data.train["Y"].shape == (20, *shape) and (data.train["Y"].reshape(20, 7, 7) == data.fields["train"]["image"]).all()


def test_misfits_are_all_told_before_anything_is_read(spec_of, source):
    bind = {"Y": "image", "Z": "imag", "W": "image"}
    spec = spec_of(source("natural_patches", size=7, folder="nowhere"), bind, [("whiten", {"kept": 9})])
    issues = check_block(spec.data.first, {"Y": (49,), "Z": (49,), "W": (9,)})
    assert [(each.code, each.path) for each in issues] == [("FG505", ("data", "bind", "Y")), ("FG506", ("data", "bind", "Z"))]
    assert "[49]" in issues[0].message and "[7, 7]" in issues[0].message and "[9]" in issues[0].message
    assert issues[1].replacement == "image"
    with pytest.raises(DataError) as error:
        load_data(spec, {"Y": (49,), "Z": (49,), "W": (9,)}, [])
    assert len(error.value.issues) == 2


def test_labels(spec_of, source, tmp_path):
    np.savez(tmp_path / "a.npz", x=np.random.default_rng(0).standard_normal((40, 3)), label=np.arange(40) % 4)
    spec = spec_of(source("arrays", file="a.npz"), {"X": "x", "L": "label"}, ["center"])
    assert load_data(spec, {"X": (3,), "L": ()}, [tmp_path]).train["L"].shape == (36,)
    with pytest.raises(DataError, match=r"FG505[^\n]*label 3[^\n]*3 classes"):
        load_data(spec, {"X": (3,), "L": (3,)}, [tmp_path])
    with pytest.raises(DataError, match="FG505"):
        load_data(spec, {"X": (3,), "L": (2, 2)}, [tmp_path])


def test_two_fields_keep_the_rows_that_both_keep(spec_of, source, tmp_path):
    a, b = (np.random.default_rng(each).standard_normal((50, 6)) for each in (0, 1))
    np.savez(tmp_path / "a.npz", a=a, b=b, number=np.arange(50))
    spec = spec_of(source("arrays", file="a.npz"), {"A": "a", "B": "b"}, [("drop_flat", {"share": 0.3})])
    data = load_data(spec, {"A": (6,), "B": (6,)}, [tmp_path])
    for split in ("train", "test"):
        numbers, table = data.fields[split]["number"], getattr(data, split)
        assert np.allclose(table["A"], a[numbers]) and np.allclose(table["B"], b[numbers])
    assert 45 * 0.4 < data.rows("train") < 45 * 0.7


def test_a_source_that_yields_no_number_is_stopped(patches, monkeypatch):
    load = leaves("data")["natural_patches"].load

    def spoiled(self, request):
        splits = load(self, request)
        splits.test.fields["image"][4, 3, 3] = np.nan
        return splits

    monkeypatch.setattr(leaves("data")["natural_patches"], "load", spoiled)
    with pytest.raises(DataError, match=r"FG507[^\n]*image \(test\), row 4"):
        load_data(patches(), {"Y": (49,)}, [])


def test_mistakes_get_their_place_in_the_spec(spec_of, source):
    class Document:
        def locate(self, it):
            from dataclasses import replace

            return replace(it, message=f"located: {it.message}")

    spec = spec_of(source("natural_patches", folder="nowhere"), {"Y": "image"})
    spec.document = Document()
    with pytest.raises(DataError, match="located: there is no nowhere"):
        load_data(spec, {"Y": (144,)}, [])
