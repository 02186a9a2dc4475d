"""What learning sees in another way each time is a pure function of seed, phase, epoch and row, and stays a picture."""

from __future__ import annotations

import numpy as np
import pytest

from factorgraph.data.dataset import Share, load_data
from factorgraph.data.order import Prefetch, chances
from factorgraph.data.preparation import check_block, stored_preparation
from factorgraph.errors import DataError
from factorgraph.registry import leaves

X = np.random.default_rng(0).standard_normal((40, 3, 5, 7))  # colours, rows, columns
CHANCE = np.random.default_rng(1).random((40, 2))


def variations(x, name, options):
    """Every picture that the augmentation may make of one picture (..., height, width)."""
    height, width = x.shape[-2:]
    if name == "mirror":
        return [x, x[..., ::-1]]
    if name == "shift":
        p = options["pixels"]
        wide = np.pad(x, [(0, 0)] * (x.ndim - 2) + [(p, p), (p, p)], mode="edge")
        return [wide[..., a : a + height, b : b + width] for a in range(2 * p + 1) for b in range(2 * p + 1)]
    size = options["size"]
    return [x[..., a : a + size, b : b + size] for a in range(height - size + 1) for b in range(width - size + 1)]


EVERY = [(name, dict(options)) for name in leaves("augmentations") for options in leaves("augmentations")[name].examples]


@pytest.mark.parametrize(("name", "options"), EVERY)
@pytest.mark.parametrize("shape", [(5, 7), (3, 5, 7), (2, 3, 5, 7)])
def test_every_variation_comes_as_often_and_no_other(name, options, shape):
    leaf = leaves("augmentations")[name](**options)
    x = np.random.default_rng(2).standard_normal(shape)
    known = variations(x, name, options)
    many = leaf.vary(np.repeat(x[None], 4000, axis=0), np.random.default_rng(3).random((4000, leaf.chances)))
    assert many.shape[1:] == leaf.output_shape(shape)
    counts = [int((many == each).reshape(4000, -1).all(axis=1).sum()) for each in known]
    assert sum(counts) == 4000 and min(counts) > 4000 / len(known) - 5 * np.sqrt(4000 / len(known))


@pytest.mark.parametrize(("name", "options"), EVERY)
def test_each_row_is_varied_by_its_own_numbers(name, options):
    leaf = leaves("augmentations")[name](**options)
    chance = CHANCE[:, : leaf.chances]
    together = leaf.vary(X, chance)
    for row in (0, 17, 39):
        assert (leaf.vary(X[[row]], chance[[row]])[0] == together[row]).all()
    assert together.dtype == X.dtype and leaf.vary(X.astype(np.float32), chance).dtype == np.float32


def test_where_nothing_is_left_to_chance_a_crop_is_the_middle_and_others_do_nothing(steps):
    crop = leaves("augmentations")["crop"](size=3)
    assert (crop.apply(X, crop.fit(X)) == X[..., 1:4, 2:5]).all()
    for name, options in (("mirror", {}), ("shift", {"pixels": 2})):
        assert (leaves("augmentations")[name](**options).apply(X, {}) == X).all()


def test_filters_on_windows_are_shown_in_the_middle_of_a_picture():
    crop = leaves("augmentations")["crop"](size=3)
    state, window = crop.fit(X), np.random.default_rng(4).standard_normal((4, 3, 3, 3))
    shown = crop.undo_linear(window, state)
    assert shown.shape == (4, 3, 5, 7) and (crop.apply(shown, state) == window).all()
    assert np.isclose((shown * X[:4]).sum(), (window * crop.apply(X[:4], state)).sum())  # the adjoint


def test_chances_are_those_of_the_row_however_many_there_are():
    few, many = chances(3, "a", 1, 50, 2), chances(3, "a", 1, 70, 2)
    assert (few == many[:50]).all() and (few >= 0).all() and (few < 1).all() and abs(few.mean() - 0.5) < 0.1
    for other in (chances(4, "a", 1, 50, 2), chances(3, "b", 1, 50, 2), chances(3, "a", 2, 50, 2)):
        assert (few != other).all()


@pytest.fixture
def pictures(tmp_path, spec_of, source):
    def load(augment, shape=(3, 5, 7), stored=None, prepare=("center",), **more):
        rng = np.random.default_rng(0)
        np.savez(tmp_path / "a.npz", x=rng.standard_normal((60, 3, 5, 7)), y=rng.standard_normal((60, 5, 7)), l=np.arange(60))
        bind = {"X": "x", "Y": "y", "L": "l"}
        spec = spec_of(source("arrays", file="a.npz"), bind, prepare, augment=augment, **more)
        shapes = {"X": shape, "Y": shape[-2:], "L": ()}
        return load_data(spec, shapes, [tmp_path], stored), spec, shapes

    return load


def test_learning_sees_other_pictures_each_epoch_and_measuring_the_same(pictures):
    plain, augmented = pictures(())[0], pictures((("shift", {"pixels": 1}), "mirror"))[0]
    for split in ("train", "test"):
        assert all((augmented.batch(slice(None), split)[v] == plain.batch(slice(None), split)[v]).all() for v in "XYL")
    steps = [augmented.drawn("joint", step, [Share(27, augmented.rows())]) for step in range(6)]  # two batches an epoch
    for step, drawn in enumerate(steps):
        plainly = plain.drawn("joint", step, [Share(27, plain.rows())])
        assert (drawn.values["L"] == plainly.values["L"]).all()  # the same rows, and labels as they are
        for one, x in zip(drawn.values["X"], plainly.values["X"], strict=True):
            moved = [w for v in variations(x, "shift", {"pixels": 1}) for w in variations(v, "mirror", {})]
            assert any((each == one).all() for each in moved)
    by_label = [dict(zip(s.values["L"].tolist(), s.values["X"], strict=True)) for s in steps]
    first, second = by_label[0] | by_label[1], by_label[2] | by_label[3]
    assert sum((first[label] != second[label]).any() for label in first) > 40  # of 54; 1 in 18 is equal by chance
    assert any(
        (a.values["X"] != b.values["X"]).any()
        for a, b in zip(steps, [augmented.drawn("warm", s, [Share(27, augmented.rows())]) for s in range(6)], strict=True)
    )


def test_all_pictures_of_a_sample_are_changed_alike(pictures):
    data, _, _ = pictures((("shift", {"pixels": 2}), "mirror"), prepare=())
    data.augmented[1].pictures[:] = data.augmented[0].pictures[:, 1]
    drawn = data.drawn("joint", 1, [Share(30, data.rows())]).values
    assert (drawn["X"][:, 1] == drawn["Y"]).all()


def test_a_batch_over_the_end_of_an_epoch_takes_each_row_as_its_own_epoch_shows_it(pictures):
    data, _, _ = pictures((("shift", {"pixels": 2}), "mirror"))
    assert data.rows() == 54
    across, sizes = (
        data.drawn("joint", 2, [Share(20, data.rows())]),
        [data.drawn("joint", step, [Share(2, data.rows())]).values for step in range(20, 30)],
    )
    assert (across.values["X"] == np.concatenate([each["X"] for each in sizes])).all()


def test_batches_do_not_depend_on_who_asks(pictures):
    data, _, _ = pictures((("crop", {"size": 4}), "mirror"), shape=(3, 4, 4))
    make = lambda step: data.drawn("joint", step, [Share(20, data.rows())])  # noqa: E731
    alone = [make(step).values["X"] for step in range(12)]
    for workers in (1, 3):
        ahead = [each.values["X"] for each in Prefetch(make, range(5, 12), workers)]
        assert all((a == b).all() for a, b in zip(alone[5:], ahead, strict=True))


def test_a_crop_has_its_own_shape_and_is_the_middle_in_measuring(pictures):
    data, spec, shapes = pictures((("crop", {"size": 4}),), shape=(3, 4, 4), prepare=())
    whole = data.fields["train"]["x"]
    assert (data.train["X"] == whole[:, :, 0:4, 1:5]).all() and data.preparation.chains["x"].prepared_shape == (3, 4, 4)
    drawn = data.drawn("joint", 0, [Share("all", data.rows())]).values
    assert (drawn["Y"] != data.train["Y"]).any() and drawn["X"].shape == (54, 3, 4, 4)
    again = stored_preparation(spec, shapes, data.to_tensors())
    prepared, kept = again.chains["x"].apply(data.fields["test"]["x"])
    assert (prepared == data.test["X"]).all() and again.chains["x"].undo(prepared, kept) is None


def test_augmentations_are_part_of_what_a_run_learned_from(pictures):
    data, _, _ = pictures(("mirror",))
    stored = (data.fingerprint, data.to_tensors())
    assert data.fingerprint["options"]["augment"] == [{"type": "mirror"}]
    again, _, _ = pictures(("mirror",), stored=stored)
    assert (
        again.drawn("joint", 7, [Share(20, again.rows())]).values["X"]
        == data.drawn("joint", 7, [Share(20, data.rows())]).values["X"]
    ).all()
    with pytest.raises(DataError, match=r"FG510[\s\S]*augment"):
        pictures((), stored=stored)
    plain, _, _ = pictures(())
    with pytest.raises(DataError, match=r"FG510[\s\S]*augment"):
        pictures(("mirror",), stored=(plain.fingerprint, plain.to_tensors()))


@pytest.mark.parametrize(
    ("prepare", "augment", "shape", "code"),
    [
        ((), [("crop", {"size": 8})], (64,), "FG505"),  # patches are of 7 x 7
        ((), [("crop", {"size": 5})], (49,), "FG505"),
        ([("whiten", {"kept": 9})], ["mirror"], (9,), "FG540"),
        ((), [("crop", {"size": 5})], (25,), None),
        ((), [("crop", {"size": 5}), "mirror"], (5, 5), None),
    ],
)
def test_misfits_are_told_before_anything_is_read(spec_of, source, prepare, augment, shape, code):
    spec = spec_of(source("natural_patches", size=7), {"Y": "image"}, prepare, augment=augment)
    assert [each.code for each in check_block(spec.data.first, {"Y": shape})] == ([code] if code else [])
