"""K-means and PCA by sums alone, against numpy in double precision and against the way that other closed forms go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from factorgraph import compile as compiler
from factorgraph.compile import closed
from factorgraph.errors import RunError
from factorgraph.kernels import nearest
from factorgraph.run.run import Run
from factorgraph.spec.load import loads
from factorgraph.training import alone
from factorgraph.training.optimizers._minimum import Minimum
from factorgraph.training.session import StoppedError, resume, train
from tests.training.test_closed_form import CLOUDS, CLUSTERS, DIRECTIONS, FACTORISED, HIDDEN, MIXTURE, fitted, parameter

Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(8)


# --- sums ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("held", [1, 100, 2**19])
def test_the_nearest_columns_are_numpy_s_however_rows_are_cut(held: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Far from zero, where the square of a distance is a small difference of large sums; a column is far, two are equal."""
    monkeypatch.setattr(alone, "HELD", held)
    x, columns = (RNG.normal(size=(many, 3)).astype(np.float32) + np.float32(3000) for many in (71, 6))
    columns[2] += 50
    columns[4] = columns[1]
    squares = ((x[:, None].astype(float) - columns.astype(float)) ** 2).sum(2)
    chosen = squares.argmin(1)
    assert 4 not in chosen and 2 not in chosen and 1 in chosen
    distance, counts, sums = alone.nearest(torch.tensor(x), torch.tensor(columns).T)
    assert float(distance) == pytest.approx(squares.min(1).sum(), rel=1e-4)
    assert counts.tolist() == np.bincount(chosen, minlength=6).tolist()
    expected = np.stack([x[chosen == unit].astype(float).sum(0) for unit in range(6)])
    np.testing.assert_allclose(sums.T, expected, rtol=1e-12)


@pytest.mark.parametrize("compiled", [True, False])
def test_a_column_that_is_no_number_is_never_chosen_and_without_any_other_there_is_no_distance(
    compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not compiled:
        monkeypatch.setattr(nearest, "library", lambda _: None)
    x = torch.tensor(RNG.normal(size=(9, 2)), dtype=torch.float32)
    columns = torch.tensor([[0.0, torch.nan, 1.0], [1.0, 0.0, 0.0]])
    distance, counts, _ = alone.nearest(x, columns)
    known, fewer, _ = alone.nearest(x, columns[:, [0, 2]])
    assert float(distance) == float(known) and counts.tolist() == [fewer[0], 0, fewer[1]]
    assert not alone.nearest(x, columns[:, [1]])[0].isfinite()


@pytest.mark.parametrize("units", [1, 2, 3, 4, 7, 20])
def test_moments_are_numpy_s_and_tell_what_directions_leave(units: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alone, "HELD", 10 * units)
    x = RNG.normal(size=(53, units)).astype(np.float32)
    rows = np.linalg.qr(RNG.normal(size=(units, units)))[0][: max(1, units // 2)].astype(np.float32) * np.float32(0.9)
    distance, gram = alone.moments(torch.tensor(x), torch.tensor(rows))
    exact, of = x.astype(float), rows.astype(float)
    np.testing.assert_allclose(gram, exact.T @ exact, rtol=1e-5, atol=1e-5)
    assert float(distance) == pytest.approx(((exact - exact @ of.T @ of) ** 2).sum(), rel=1e-5)


@pytest.mark.parametrize(("offset", "scale"), [(10.0, 0.003), (30.0, 0.01), (100.0, 0.05)])
@pytest.mark.parametrize("is_apart", [False, True], ids=["alike", "the first apart"])
def test_directions_of_rows_that_differ_little_far_from_zero_are_found(offset: float, scale: float, is_apart: bool) -> None:
    x = (RNG.normal(size=(5000, 4)) * np.array([4, 2, 1, 0.5]) * scale + offset).astype(np.float32)
    if is_apart:
        x[0] = 0
    values, vectors = np.linalg.eigh(x.astype(float).T @ x.astype(float))
    rows = vectors[:, :-3:-1].T.copy()
    distance, gram = alone.moments(torch.tensor(x), torch.tensor(rows))
    found = np.linalg.eigh(gram.numpy())[1][:, -2]
    assert abs(found @ rows[1]) == pytest.approx(1, abs=1e-6)
    if not is_apart:  # else its square, up to a million times that of the others, rounds what they leave
        assert float(distance) == pytest.approx(values[:2].sum(), rel=1e-4)


def test_columns_become_means_from_one_row_on_and_without_any_stay() -> None:
    matrix = torch.nn.Parameter(torch.tensor([[7.0, 7.0, 7.0]]))
    optimizer = Minimum([{"params": [matrix], "means": True}])
    for _ in range(2):
        optimizer.add(optimizer.param_groups[0], [torch.tensor([0.0, 0.5, 1.0]), torch.tensor([[0.0, 2.0, 5.0]])])
    optimizer.step()
    assert matrix.tolist() == [[7.0, 4.0, 5.0]]
    assert not any(each.any() for each in optimizer.state[matrix].values())


# --- runs ----------------------------------------------------------------------------------------------------------------------

MORE = "more: {type: squared_distance, between: [Z, 0]}, "
ALIKE = {"factors.reconstruction.type": "gaussian"}  # a square with a number beside it
TUNED = DIRECTIONS.replace("Z: W(Y)}", "Z: W(Y), U: {kind: latent, shape: [3]}}").replace("rows}}", "rows}, other: linear}")
TUNED = TUNED.replace("factors: {", "factors: {sparse: {type: l1, of: U, weight: {active_fraction: 0.2}}, told: {OTHER}, ")
TUNED = TUNED.replace("{OTHER}", "{type: squared_distance, between: [Y, other(U)]}")
TUNED = TUNED.replace("learning: {fit: {", "learning: {rest: {only: [told, sparse], steps: 2}, fit: {only: [reconstruction], ")
TUNED = TUNED.replace("learning:", "inference: {code: {method: argmin, of: U}}\nlearning:")
FARTHEST = {"factors.reconstruction.weight": -1.0, "learning.fit.loss": {"half": {"type": "energy", "weight": -1.0}}}
BY_TERM = {"learning.fit.loss": {"half": {"type": "energy", "weight": 0.5}}}


def both(folder: Path, text: str, changes: dict[str, Any], patch: pytest.MonkeyPatch) -> list[Run]:
    """A run by sums alone, and the same as if more had to be known."""
    changes = {"learning.fit.epochs": 3, **changes}
    rows = CLOUDS if "shape: [4]" in text else CLOUDS[:, 0]
    first = fitted(folder, text, changes=changes, Y=rows)
    assert [each.closed[0].alone for each in first.plan.phases if each.closed] == ["Y"]
    patch.setattr(closed, "alone", lambda *_: "")
    second = fitted(folder, text, name="general", changes=changes, Y=rows)
    assert [each.closed[0].alone for each in second.plan.phases if each.closed] == [""]
    return [first, second]


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        (CLUSTERS, {}),
        (CLUSTERS, ALIKE),
        (CLUSTERS, BY_TERM),
        (CLUSTERS, {"learning.fit.on_dead": "resample", "functions.prototypes.init": 40.0}),
        (CLUSTERS.replace("shape: [4]", "shape: []"), {}),
        (DIRECTIONS, {}),
        (DIRECTIONS, ALIKE | BY_TERM),
        (TUNED, {}),
    ],
)
def test_parameters_and_all_that_the_log_says_are_those_of_gradients(
    text: str, changes: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = both(tmp_path, text, changes, monkeypatch)
    key = next(each for each in runs[0].folder.load_latest().tensors["model"] if "prototypes" in each or ".W." in each)
    first, second = (parameter(each, key) for each in runs)
    np.testing.assert_allclose(first, second, atol=1e-5)
    assert (first != parameter(runs[0], key, "start")).any()
    for mine, theirs in zip(*(each.metrics for each in runs), strict=True):
        assert flat(mine) == pytest.approx(flat(theirs), rel=1e-4, nan_ok=True)


def flat(row: dict[str, Any], before: str = "") -> dict[str, Any]:
    """What a row says, by places."""
    found: dict[str, Any] = {}
    for key, each in row.items():
        if isinstance(each, dict):
            found |= flat(each, f"{before}{key}.")
        else:
            found |= {before + key: each} if isinstance(each, int | float) else {f"{before}{key} is {each}": 1}
    return found


def test_kmeans_goes_on_in_the_middle_of_a_pass_bit_for_bit(tmp_path: Path) -> None:
    known = fitted(tmp_path, CLUSTERS, changes={"learning.fit.epochs": 2, "learning.fit.batch_size": 110}, Y=CLOUDS)
    key = "functions.prototypes.matrix"
    for step in (1, 2, 3):
        with pytest.raises(StoppedError):
            train(known.spec, tmp_path / f"cut{step}", stop_after=step, data=[tmp_path])
        run = resume(tmp_path / f"cut{step}", data=[tmp_path])
        assert (parameter(run, key) == parameter(known, key)).all()
        assert list(run.metrics) == list(known.metrics)


@pytest.mark.parametrize("text", [CLUSTERS, DIRECTIONS], ids=["kmeans", "pca"])
def test_rows_whose_squares_are_no_numbers_end_a_run(text: str, tmp_path: Path) -> None:
    rows = CLOUDS.copy()
    rows[3, 1] = 3e38
    with pytest.raises(RunError, match="FG670"):
        fitted(tmp_path, text, Y=rows)


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        (FACTORISED, {}),
        (MIXTURE, {}),
        (HIDDEN, {}),
        (CLUSTERS, {"functions.prototypes.bias": True}),
        (CLUSTERS, {"factors.reconstruction.between": ["Y", "2 * prototypes(Z)"]}),
        (CLUSTERS.replace("factors: {", f"factors: {{{MORE}"), {}),
        (CLUSTERS.replace("factors: {", f"factors: {{{MORE}"), {"learning.fit.only": ["reconstruction"]}),
        (CLUSTERS, {"inference.nearest.start": "previous"}),
        (CLUSTERS, {"inference.nearest.steps": 0}),
        (CLUSTERS, {"variables.Z.domain": "binary"}),
        (CLUSTERS, FARTHEST),
        (DIRECTIONS.replace("factors: {", f"factors: {{{MORE.replace('Z', 'Y')}"), {}),
    ],
)
def test_where_more_is_to_be_known_sums_alone_are_not_enough(text: str, changes: dict[str, Any]) -> None:
    (phase,) = compiler.plan(loads(text).with_changes(changes, "test")).phases
    assert phase.closed and not any(each.alone for each in phase.closed)
