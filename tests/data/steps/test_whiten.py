from __future__ import annotations

import numpy as np
import pytest

from factorgraph.data.steps.whiten import Whiten
from factorgraph.errors import DataError


def samples(rows=400, units=7):
    random = np.random.default_rng(1)
    return random.standard_normal((rows, units)) @ random.standard_normal((units, units)) + 3


def test_kept_components_are_those_of_scikit_learn():
    decomposition = pytest.importorskip("sklearn.decomposition")
    x, step = samples(), Whiten(kept=4)
    found = step.apply(x, step.fit(x))
    oracle = decomposition.PCA(4, whiten=True, svd_solver="full").fit_transform(x)
    oracle *= np.sqrt(400 / 399)  # its variance is over n - 1
    signs = np.sign((found * oracle).sum(axis=0))
    assert found.shape == (400, 4) and step.output_shape((7,)) == (4,) and np.allclose(found, oracle * signs)


def test_without_a_floor_the_covariance_is_the_identity_and_the_matrix_symmetric():
    x, step = samples(), Whiten(floor=0)
    state = step.fit(x)
    assert np.allclose(np.cov(step.apply(x, state).T, bias=True), np.eye(7)) and np.allclose(state["matrix"], state["matrix"].T)


@pytest.mark.parametrize("floor", [0.37, None])
def test_the_floor_is_a_share_of_the_largest_eigenvalue(floor):
    x, step = samples(), Whiten(floor=floor)
    before = np.linalg.eigvalsh(np.cov(x.T, bias=True))
    after = np.linalg.eigvalsh(np.cov(step.apply(x, step.fit(x)).T, bias=True))
    assert np.allclose(np.sort(after), np.sort(before / (before + (0.02 if floor is None else floor) * before.max())))


def test_what_components_hold_is_brought_back():
    x, step = samples(), Whiten(kept=3, floor=0.1)
    state = step.fit(x)
    back = step.undo(step.apply(x, state), state, {})
    _, _, right = np.linalg.svd(x - x.mean(0), full_matrices=False)
    assert np.allclose(back - x.mean(0), (x - x.mean(0)) @ right[:3].T @ right[:3])


@pytest.mark.parametrize("value", [0.0, 0.1, 0.3, 1e4])
def test_equal_samples_cannot_be_whitened(value):
    with pytest.raises(DataError, match=r"FG517[^\n]*equal"):
        Whiten().fit(np.full((9, 5), value, dtype=np.float32))


def test_empty_directions_need_a_floor():
    x = samples() - samples().mean(axis=1, keepdims=True)
    assert np.isfinite(Whiten(floor=0.02).fit(x)["matrix"]).all()
    with pytest.raises(DataError, match=r"FG517[^\n]*6 of 7"):
        Whiten(floor=0).fit(x)
    with pytest.raises(DataError, match=r"FG517[^\n]*vary in 6"):
        Whiten(kept=7).fit(x)
