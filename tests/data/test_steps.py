"""Laws of every step of preparation: it is undone, treats rows alone, survives constants, and its linear parts are adjoint."""

from __future__ import annotations

import numpy as np
import pytest

from factorgraph.data import chain as chains
from factorgraph.errors import DataError
from factorgraph.registry import leaves

ALL = [
    "center",
    "remove_mean",
    ("drop_flat", {"share": 0.37}),
    ("whiten", {"floor": 0.037}),
    "unit_variance",
    "unit_norm",
    ("scale", {"to": (-0.8, 0.37)}),
    ("contrast_normalise", {"window": 3}),
    ("pad", {"size": 4}),
    ("binarise", {"threshold": 0.37}),
]
LOSSY = {"binarise"}  # steps after which a sample is not what it was
PSD = ["remove_mean", ("drop_flat", {"share": 0.15}), ("whiten", {"floor": 0.02}), "unit_variance"]
CHAINS = [[each] for each in ALL] + [PSD, ["center", ("scale", {"to": (0.1, 0.7)}), "remove_mean", "unit_norm"]]


def samples(rows=137, shape=(5, 3, 2), kind=np.float64):
    random = np.random.default_rng(8)
    mixed = random.standard_normal((rows, 30)) @ random.standard_normal((30, 30)) * 0.37 + random.standard_normal(30)
    return mixed.reshape(rows, *shape).astype(kind)


def test_every_step_is_among_the_laws():
    assert {each if isinstance(each, str) else each[0] for each in ALL} == set(leaves("steps"))


def names(written):
    return {each if isinstance(each, str) else each[0] for each in written}


@pytest.mark.parametrize("written", [each for each in CHAINS if not names(each) & LOSSY], ids=str)
@pytest.mark.parametrize(("kind", "error"), [(np.float64, 1e-10), (np.float32, 1e-4)])
def test_undone_is_what_it_was(steps, written, kind, error):
    x = samples(kind=kind)
    chain, _, _ = chains.fit(steps(*written), x)
    prepared, kept = chain.apply(x)
    assert prepared.dtype == kind and np.abs(chain.undo(prepared, kept) - x).max() < error
    assert prepared.shape != x.shape or not np.allclose(prepared, x) or written == [("drop_flat", {"share": 0.37})]


@pytest.mark.parametrize("written", CHAINS, ids=str)
def test_undone_and_prepared_again_is_what_it_was(steps, written):
    chain, _, _ = chains.fit(steps(*written), samples())
    prepared, kept = chain.apply(samples())
    assert np.allclose(chain.apply(chain.undo(prepared, kept))[0], prepared)


@pytest.mark.parametrize("written", CHAINS, ids=str)
def test_a_row_is_prepared_as_if_it_were_alone(steps, written):
    x = samples(rows=5000, kind=np.float32)
    chain, fitted, rows = chains.fit(steps(*written), x)
    prepared, kept = chain.apply(x)
    assert np.abs(prepared[rows] - fitted).max() < 1e-6
    for row in (0, 4095, 4096, 4999):
        alone, _ = chain.apply(x[row : row + 1])
        assert np.abs(alone[0] - prepared[row]).max() < 1e-6
    assert all(len(each) == 5000 for each in kept.values())


@pytest.mark.parametrize("written", CHAINS, ids=str)
@pytest.mark.parametrize("value", [0.0, 0.37, 255.0])
def test_constant_samples_stay_finite(steps, written, value):
    chain, _, _ = chains.fit(steps(*written), samples())
    prepared, kept = chain.apply(np.full((3, 5, 3, 2), value))
    assert np.isfinite(prepared).all()
    assert names(written) & LOSSY or np.abs(chain.undo(prepared, kept) - value).max() < 1e-9


@pytest.mark.parametrize("written", CHAINS, ids=str)
def test_no_rows_are_no_rows(steps, written):
    chain, _, _ = chains.fit(steps(*written), samples())
    prepared, kept = chain.apply(np.zeros((0, 5, 3, 2)))
    assert prepared.shape == (0, *chain.prepared_shape) and chain.undo(prepared, kept).shape == (0, 5, 3, 2)


LINEAR = ["center", "remove_mean", ("whiten", {"floor": 0.037}), ("scale", {"to": (-0.8, 0.37)}), ("pad", {"size": 4})]


INWARDS = [("whiten", {"floor": 0.037}), "remove_mean"]  # their adjoints do not commute


@pytest.mark.parametrize("written", [[each] for each in LINEAR] + [LINEAR, INWARDS], ids=str)
def test_pixels_are_what_columns_write_and_rows_read(steps, written):
    chain, _, _ = chains.fit(steps(*written), samples())
    random = np.random.default_rng(2)
    shape = (1, *chain.prepared_shape)
    column, z = random.standard_normal(shape), 1.7
    zero, kept = np.zeros((1, 5, 3, 2)), chain.apply(samples(rows=1))[1]
    written_there = chain.undo(z * column, kept) - chain.undo(np.zeros(shape), kept)
    assert np.allclose(written_there, z * chain.pixels(column))
    x = random.standard_normal((1, 5, 3, 2))
    read = (column * (chain.apply(x)[0] - chain.apply(zero)[0])).sum()
    assert np.isclose(read, (chain.pixels_of_rows(column) * x).sum())


def test_a_stored_chain_is_the_chain(steps):
    x = samples()
    chain, _, _ = chains.fit(steps(*ALL), x)
    again = chains.from_tensors(chain.to_tensors(), steps(*ALL), (5, 3, 2))
    assert (again.apply(x)[0] == chain.apply(x)[0]).all() and again.names == chain.names and again.prepared_shape == (5, 4, 4)


@pytest.mark.parametrize("change", ["missing", "unknown", "shape", "nan", "no shape", "order"])
def test_a_foreign_chain_is_refused(steps, change):
    chain, _, _ = chains.fit(steps("center", ("whiten", {"floor": 0.1})), samples())
    tensors = chain.to_tensors()
    wanted = steps("center", ("whiten", {"floor": 0.1}))
    if change == "missing":
        del tensors["1.whiten.inverse"]
    elif change == "unknown":
        tensors["7.whiten.mean"] = tensors["1.whiten.mean"]
    elif change == "shape":
        tensors["1.whiten.matrix"] = np.eye(7)
    elif change == "nan":
        tensors["0.center.mean"] = np.full((5, 3, 2), np.nan)
    elif change == "no shape":
        del tensors["shape"]
    else:
        wanted = wanted[::-1]
    with pytest.raises(DataError, match="FG519"):
        chains.from_tensors(tensors, wanted)


def test_a_step_that_leaves_nothing_says_so(steps):
    with pytest.raises(DataError, match="FG518") as error:
        chains.fit(steps("center", ("drop_flat", {"share": 0.5})), np.ones((6, 4)))
    assert error.value.issues[0].path == ("data", "prepare", 1)


def test_what_cannot_be_fitted_names_its_step(steps):
    with pytest.raises(DataError, match="FG517") as error:
        chains.fit(steps("center", "whiten"), np.ones((6, 4)))
    assert error.value.issues[0].path == ("data", "prepare", 1)
