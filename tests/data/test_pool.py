"""Several sources are one pool of rows; what a row lacks is 0, and known to be lacking."""

from __future__ import annotations

import json

import numpy as np
import pytest

from factorgraph.data.dataset import Share, load_data
from factorgraph.data.pool import balanced, columns, lacked
from factorgraph.data.preparation import check_data, stored_preparation
from factorgraph.errors import DataError

rng = np.random.default_rng(0)
FEW, MANY = rng.standard_normal((50, 4, 3)), 3 + rng.standard_normal((90, 4, 3))
SHAPES = {"X": (12,), "L": (5,)}


@pytest.fixture
def load(tmp_path, several, source):
    np.savez(tmp_path / "few.npz", image=FEW, label=np.arange(50) % 5, number=np.arange(50))
    np.savez(tmp_path / "many.npz", x=MANY, number=100 + np.arange(90))

    def loading(stored=None, few=None, many=None, seed=3):
        blocks = {
            "few": several.block(
                source("arrays", file="few.npz"), {"X": "image", "L": "label"}, **(few or {"prepare": ["center"]})
            ),
            "many": several.block(source("arrays", file="many.npz"), {"X": "x"}, **(many or {"prepare": ["center"]})),
        }
        spec = several.spec(seed=seed, **blocks)
        return load_data(spec, SHAPES, [tmp_path], stored), spec

    return loading


def test_rows_of_all_sources_are_prepared_together_and_lack_what_their_source_does_not_bind(load):
    data, _ = load()
    assert (data.rows("train"), data.rows("test")) == (45 + 81, 5 + 9) and data.lacked == {"L"}
    raw = np.concatenate([FEW, np.zeros((50, 4, 3)), MANY])
    numbers = data.fields["train"]["number"]
    center = raw[numbers].mean(axis=0)  # of the union of the training rows
    for split in ("train", "test"):
        numbers, table = data.fields[split]["number"], getattr(data, split)
        assert np.abs(table["X"] - (raw[numbers] - center).reshape(-1, 12)).max() < 1e-5
        assert (data.present[split]["L"] == (numbers < 100)).all() and "X" not in data.present[split]
        labels = np.where(numbers[:, None] < 100, np.eye(5)[numbers % 5], 0)
        assert (table["L"] == labels).all() and (data.fields[split]["label"][numbers >= 100] == -1).all()
    assert not set(data.groups["train"].tolist()) & set(data.groups["test"].tolist())
    assert len(data.known()["L"]) == 45 and len(data.known()["X"]) == 126
    drawn = data.drawn("joint", 3, [Share(20, data.rows())])
    assert (drawn.present["L"] == (drawn.values["L"].sum(axis=1) == 1)).all() and 0 < drawn.present["L"].sum() < 20


def test_rows_that_a_phase_cannot_use_are_not_drawn(load):
    data, _ = load(few={"prepare": ["center"], "labelled": 30})
    among = data.usable([frozenset({"L"})])
    assert data.usable([frozenset({"L"}), frozenset()]) is None and (among == np.flatnonzero(data.present["train"]["L"])).all()
    seen = [data.drawn("supervised", step, [Share(10, len(among), among)]) for step in range(3)]
    assert all(each.present["L"].all() for each in seen)
    assert len({each.tobytes() for one in seen for each in one.values["X"]}) == 30  # each row once in an epoch


def test_every_source_is_known_by_its_fingerprint(load, tmp_path):
    data, spec = load()
    stored = (json.loads(json.dumps(data.fingerprint)), data.to_tensors())
    again, _ = load(stored)
    assert set(stored[0]["sources"]) == {"few", "many"} and stored[0]["lacks"] == ["L"]
    assert all((again.train[name] == data.train[name]).all() for name in SHAPES)
    preparation = stored_preparation(spec, SHAPES, stored[1])
    assert (preparation.chain_of("X").apply(data.fields["test"]["image"])[0].reshape(-1, 12) == data.test["X"]).all()
    np.savez(tmp_path / "many.npz", x=MANY + 1e-3, number=100 + np.arange(90))
    with pytest.raises(DataError, match=r"FG510[\s\S]*many: train"):
        load(stored)


def test_sources_agree_on_what_is_done_to_a_variable(several, source, load):
    with pytest.raises(DataError, match=r"FG542[^\n]*prepare it differently"):
        load(many={"prepare": []})
    one = several.block(source("arrays", file="a"), {"X": "a", "Y": "a"})
    two = several.block(source("arrays", file="b"), {"X": "a", "Y": "b"})
    assert {each.code for each in check_data({"one": one, "two": two}, {})} == {"FG542"}
    assert check_data({"two": two, "three": two}, {}) == []


def test_fields_that_a_variable_joins_are_one_column(several, source):
    one = several.block(source("arrays", file="a"), {"X": "image", "L": "label"})
    two = several.block(source("arrays", file="b"), {"Y": "image", "L": "kind"})
    three = several.block(source("arrays", file="c"), {"X": "picture"})
    bind, known = columns({"one": one, "two": two, "three": three})
    assert bind == {"X": "image", "L": "label", "Y": "two.image"}
    assert known["image"].fields == {"one": "image", "three": "picture"} and known["label"].fields == {
        "one": "label",
        "two": "kind",
    }
    assert lacked({"one": one, "two": two, "three": three}) == {"X", "Y", "L"}


@pytest.mark.parametrize("count", [0, 1, 7, 30, 60])
def test_as_many_of_each_class_keep_their_labels(count):
    labels = np.repeat([4, 0, 7], [40, 15, 5])
    chosen = balanced(labels, count, 3, "")
    assert len(set(chosen.tolist())) == count and (np.sort(chosen) == chosen).all()
    counts = np.asarray([(labels[chosen] == each).sum() for each in (4, 0, 7)])
    full = counts == [40, 15, 5]
    assert all(counts[i] >= counts.max() - 1 for i in range(3) if not full[i])
    if 0 < count < 60:
        assert (balanced(labels, count, 4, "") != chosen).any()


def test_labelled_takes_labels_from_training_rows_only(load):
    data, _ = load(few={"prepare": ["center"], "labelled": 11})
    there = data.present["train"]["L"]
    assert there.sum() == 11 and (data.train["L"].sum(axis=1) == there).all()
    assert data.train["L"][there].sum(axis=0).max() == 3 and data.train["L"][there].sum(axis=0).min() >= 2
    assert data.present["test"]["L"].sum() == 5
    assert (data.fields["train"]["label"][there] >= 0).all()
    with pytest.raises(DataError, match=r"FG544[^\n]*46 rows"):
        load(few={"prepare": ["center"], "labelled": 46})
    with pytest.raises(DataError, match=r"FG544[^\n]*no variable is bound to a label"):
        load(many={"prepare": ["center"], "labelled": 3})


def test_a_label_of_minus_one_is_none_where_the_source_says_so(tmp_path, spec_of, source, monkeypatch):
    labels = np.where(np.arange(60) % 3, np.arange(60) % 4, -1)
    np.savez(tmp_path / "a.npz", x=np.random.default_rng(1).standard_normal((60, 3)), label=labels)
    spec, shapes = spec_of(source("arrays", file="a.npz"), {"X": "x", "L": "label"}), {"X": (3,), "L": (4,)}
    with pytest.raises(DataError, match=r"FG505[^\n]*label -1"):
        load_data(spec, shapes, [tmp_path])
    plain = load_data(spec, {"X": (3,), "L": ()}, [tmp_path])
    assert not plain.lacked and plain.train["L"].min() == -1  # a number as it is
    monkeypatch.setattr(type(spec.data.first.source), "unlabelled", True)
    data = load_data(spec, shapes, [tmp_path])
    for split in ("train", "test"):
        assert (data.present[split]["L"] == (data.fields[split]["label"] >= 0)).all()


def test_minus_one_beside_a_source_that_lacks_the_label(load, tmp_path, monkeypatch):
    """Rows without a label have none, whether their source has no such field or says so of a row."""
    from factorgraph.data.sources.arrays import Arrays

    np.savez(tmp_path / "few.npz", image=FEW, label=np.arange(50) % 6 - 1, number=np.arange(50))
    with pytest.raises(DataError, match=r"FG505[^\n]*label -1"):
        load()
    monkeypatch.setattr(Arrays, "unlabelled", True)
    data, _ = load()
    for split in ("train", "test"):
        numbers = data.fields[split]["number"]
        assert (data.present[split]["L"] == ((numbers < 100) & (numbers % 6 > 0))).all()


def test_rows_that_a_step_drops_go_with_all_they_have(load):
    data, _ = load(few={"prepare": [("drop_flat", {"share": 0.4})]}, many={"prepare": [("drop_flat", {"share": 0.4})]})
    raw = np.concatenate([FEW, np.zeros((50, 4, 3)), MANY]).reshape(-1, 12)
    for split in ("train", "test"):
        numbers, table = data.fields[split]["number"], getattr(data, split)
        assert np.abs(table["X"] - raw[numbers]).max() < 1e-5 and (data.present[split]["L"] == (numbers < 100)).all()
        assert (table["L"].argmax(axis=1) == numbers % 5)[numbers < 100].all()
    assert 0.5 * 126 < data.rows() < 0.7 * 126
    assert [data.fingerprint["sources"][name]["train"]["prepared_rows"] for name in ("few", "many")] == [
        int((data.fields["train"]["number"] < 100).sum()),
        int((data.fields["train"]["number"] >= 100).sum()),
    ]


def test_rows_that_a_step_drops_in_a_column_that_others_lack(tmp_path, several, source):
    """Flat rows of W are dropped; rows that have no W are no flatter for it."""
    w = np.random.default_rng(2).standard_normal((50, 6)) * (1 + np.arange(50) % 7)[:, None]
    np.savez(tmp_path / "few.npz", image=FEW.reshape(50, 12), w=w, number=np.arange(50))
    np.savez(tmp_path / "many.npz", x=MANY.reshape(90, 12), number=100 + np.arange(90))
    drop = [("drop_flat", {"share": 0.4})]
    few = several.block(source("arrays", file="few.npz"), {"X": "image", "W": "w"}, drop)
    many = several.block(source("arrays", file="many.npz"), {"X": "x"}, drop)
    data = load_data(several.spec(many=many, few=few), {"X": (12,), "W": (6,)}, [tmp_path])
    x = np.concatenate([FEW.reshape(50, 12), np.zeros((50, 12)), MANY.reshape(90, 12)])
    for split in ("train", "test"):
        numbers, table, there = data.fields[split]["number"], getattr(data, split), data.present[split]["W"]
        assert (there == (numbers < 100)).all() and np.abs(table["X"] - x[numbers]).max() < 1e-6
        assert np.abs(table["W"][there] - w[numbers[there]]).max() < 1e-5 and (table["W"][~there] == 0).all()
    numbers = data.fields["train"]["number"]
    assert not (w[numbers[numbers < 100]].std(axis=1) < np.quantile(w.std(axis=1), 0.3)).any() and (numbers >= 100).sum() > 30


WANTED = [((30, 10), (50, 5)), ((30, 10), (None, 3)), ((5, None), (None, None)), ((10, 0), (20, 40)), ((10, 0.5), (20, 0.5))]


@pytest.mark.parametrize("wanted", WANTED)
def test_no_row_of_one_set_is_on_both_sides(tmp_path, several, source, wanted):
    """Two sources of one file: what one of them holds out, the other does not learn from."""
    x = np.random.default_rng(2).standard_normal((60, 4)).astype(np.float32)
    np.savez(tmp_path / "one.npz", x=x)
    blocks = {
        name: several.block(source("arrays", file="one.npz"), {name: "x"}, count=count, test=test)
        for name, (count, test) in zip(("A", "B"), wanted, strict=True)
    }
    data = load_data(several.spec(**blocks), {"A": (4,), "B": (4,)}, [tmp_path])
    there = {split: {name: getattr(data, split)[name][data.present[split][name]] for name in "AB"} for split in ("train", "test")}
    rows = {split: {each.tobytes() for found in by.values() for each in found} for split, by in there.items()}
    assert rows["train"] and rows["test"] and not rows["train"] & rows["test"]
    for name, (count, test) in zip(("A", "B"), wanted, strict=True):
        assert count is None or len(there["train"][name]) == count
        assert not isinstance(test, int) or len(there["test"][name]) == test
    fewer, more = sorted(({each.tobytes() for each in there["test"][name]} for name in "AB"), key=len)
    assert fewer <= more  # one held-out part


def test_pictures_of_one_set_with_few_labels_lose_no_test_row(several, source):
    pytest.importorskip("sklearn", reason="the digits come with scikit-learn")
    few = several.block(source("digits"), {"X": "image", "L": "label"}, count=100)
    many = several.block(source("digits"), {"X": "image"}, count=1500)
    data = load_data(several.spec(few=few, many=many), {"X": (64,), "L": (10,)}, [])
    assert (data.rows("train"), data.rows("test"), data.present["test"]["L"].sum()) == (1600, 160, 10)
    seen = {each.tobytes() for each in data.train["X"]}
    assert not any(each.tobytes() in seen for each in data.test["X"])


def test_rows_are_compared_in_the_columns_that_they_have(tmp_path, several, source):
    """Rows without X have zeros there, which are no reason to drop them; a row of X that was learned from is dropped."""
    x = np.random.default_rng(3).standard_normal((20, 4))
    np.savez(tmp_path / "a.npz", x_train=x[:12], x_test=x[10:], l_train=np.arange(12) % 3, l_test=np.arange(10) % 3)
    np.savez(tmp_path / "b.npz", l_train=np.arange(9) % 3, l_test=np.arange(6) % 3)
    np.savez(tmp_path / "c.npz", x_train=x[15:17], x_test=x[:1], y_train=x[:2], y_test=x[:1])
    a = several.block(source("arrays", file="a.npz"), {"X": "x", "L": "l"})
    b = several.block(source("arrays", file="b.npz"), {"L": "l"})
    c = several.block(source("arrays", file="c.npz"), {"X": "x", "Y": "y"})
    data = load_data(several.spec(a=a, b=b, c=c), {"X": (4,), "Y": (4,), "L": (3,)}, [tmp_path])
    there = data.present["test"]
    assert (there["L"] & ~there["X"]).sum() == 6  # all of b
    assert sorted(data.test["X"][there["X"] & there["L"]][:, 0]) == sorted(x[[12, 13, 14, 17, 18, 19], 0].astype(np.float32))
    assert there["Y"].sum() == 1  # its x was learned from, with another y
