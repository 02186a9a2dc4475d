"""closed_form against scikit-learn, numpy and its own repetition: one pass leads to the minimum, however it is cut."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.mixture import GaussianMixture

from factorgraph import compile as compiler
from factorgraph.cli.explain_ import _plan as explained
from factorgraph.compile.plan import Closed, from_json
from factorgraph.errors import SpecError
from factorgraph.run.run import Run
from factorgraph.spec.load import load, loads
from factorgraph.training.optimizers._minimum import Minimum
from factorgraph.training.session import StoppedError, resume, train

Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(3)
CLOUDS = (RNG.normal(size=(203, 4)) * 0.4 + RNG.normal(size=(6, 4))[RNG.integers(6, size=203)]).astype(np.float32)

CLUSTERS = """
factorgraph: 1
variables: {Y: {kind: observed, shape: [4]}, Z: {kind: latent, shape: [5], domain: one_hot}}
functions: {prototypes: {type: linear, bias: false, init: data}}
factors: {reconstruction: {type: squared_distance, between: [Y, prototypes(Z)], weight: 0.37}}
inference: {nearest: {method: argmin, of: Z}}
learning: {fit: {optimizer: closed_form, epochs: 4, batch_size: 50}}
data: {source: arrays, file: rows.npz, bind: {Y: Y}}
"""
FACTORISED = """
factorgraph: 1
variables: {Y: {kind: observed, shape: [4]}, Z: {kind: latent, shape: [2]}}
functions: {decoder: linear}
factors:
  reconstruction: {type: squared_distance, between: [Y, decoder(Z)], weight: 0.5}
  prior: {type: squared_distance, between: [Z, 0], weight: 0.37}
inference: {best: {method: argmin, of: Z, solver: exact}}
learning: {fit: {optimizer: closed_form, epochs: 3, batch_size: 50}}
data: {source: arrays, file: rows.npz, bind: {Y: Y}}
"""
DIRECTIONS = """
factorgraph: 1
variables: {Y: {kind: observed, shape: [4]}, Z: W(Y)}
functions: {W: {type: linear, units: 2, bias: false, orthonormal: rows}}
factors: {reconstruction: {type: squared_distance, between: [Y, W.transpose(Z)]}}
learning: {fit: {optimizer: closed_form, epochs: 1, batch_size: 50}}
data: {source: arrays, file: rows.npz, bind: {Y: Y}}
"""
MIXTURE = """
factorgraph: 1
variables: {Y: {kind: observed, shape: [4]}, Z: {kind: latent, shape: [3], domain: one_hot}}
functions: {means: {type: linear, bias: false, init: data}}
factors:
  component: {type: gaussian, between: [Y, means(Z)], precision: full, by: Z, floor: 1e-6}
  share: {type: categorical, of: Z}
inference: {responsibility: {method: marginal, of: Z}}
learning: {fit: {optimizer: closed_form, epochs: 3, batch_size: 50}}
data: {source: arrays, file: rows.npz, bind: {Y: Y}}
"""
HIDDEN = """
factorgraph: 1
variables: {Y: {kind: observed, shape: [4]}, Z: {kind: latent, shape: [2]}}
functions: {loading: linear}
factors:
  noise: {type: gaussian, between: [2 * Y, 0.5 * loading(Z)], precision: diagonal, weight: 0.37}
  prior: {type: gaussian, of: Z, weight: 0.37}
inference: {all: {method: marginal, of: Z, beta: 2.5}}
learning: {fit: {optimizer: closed_form, epochs: 2, batch_size: 50}}
data: {source: arrays, file: rows.npz, bind: {Y: Y}}
"""
REGRESSION = """
factorgraph: 1
variables:
  X: {kind: observed, shape: [5]}
  U: {kind: observed, shape: [5]}
  Y: {kind: observed, shape: [3]}
  V: {kind: observed, shape: [3]}
functions: {f: linear}
factors:
  one:   {type: squared_distance, between: [Y, f(X)]}
  other: {type: squared_distance, between: [V - 2 * f(U), 0.5 * V], weight: 0.37}
learning: {fit: {optimizer: closed_form, epochs: 2, batch_size: 50}}
data: {source: arrays, file: rows.npz, bind: {X: X, Y: Y, U: U, V: V}}
"""


def fitted(folder: Path, text: str, *, name: str = "run", changes: dict[str, Any] | None = None, **rows: Array) -> Run:
    """A run on these training rows, measured on rows that differ from them in the last places alone."""
    parts = (("train", 1), ("test", 1 + 2e-6))
    split = {f"{key}_{part}": each * np.float32(by) for key, each in rows.items() for part, by in parts}
    np.savez(folder / "rows.npz", **split)  # type: ignore[arg-type]
    (folder / "spec.yaml").write_text(text)
    return train(load(folder / "spec.yaml").with_changes(changes or {}, "test"), folder / name)


def parameter(run: Run, name: str, checkpoint: str = "") -> Array:
    found = run.folder.load_named(checkpoint) if checkpoint else run.folder.load_latest()
    assert found is not None
    values: Array = found.tensors["model"][name].double().numpy()
    return values


def energies(run: Run) -> Array:
    return np.array([row["energy"] for row in run.metrics if row["split"] == "train"])


# --- K-means -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("passes", [1, 30])
def test_with_one_hot_codes_it_is_kmeans_as_scikit_learn_does_it(passes: int, tmp_path: Path) -> None:
    run = fitted(tmp_path, CLUSTERS, changes={"learning.fit.epochs": passes}, Y=CLOUDS)
    start = parameter(run, "functions.prototypes.matrix", "start").T
    known = KMeans(5, init=start, n_init=1, max_iter=passes, tol=0, algorithm="lloyd").fit(CLOUDS.astype(np.float64))
    np.testing.assert_allclose(parameter(run, "functions.prototypes.matrix").T, known.cluster_centers_, rtol=0, atol=1e-5)
    assert run.metrics[-1]["energy"] == pytest.approx(0.37 * known.inertia_ / len(CLOUDS), rel=1e-4)


@pytest.mark.parametrize("size", [7, 203, "all"])
def test_batches_of_any_size_make_one_pass(size: int | str, tmp_path: Path) -> None:
    changes = {"learning.fit.epochs": 2, "learning.fit.batch_size": size}
    run = fitted(tmp_path, CLUSTERS, changes=changes, Y=CLOUDS)
    known = fitted(tmp_path, CLUSTERS, name="known", changes={"learning.fit.epochs": 2, "learning.fit.batch_size": 50}, Y=CLOUDS)
    key = "functions.prototypes.matrix"
    np.testing.assert_allclose(parameter(run, key), parameter(known, key), rtol=0, atol=1e-5)
    assert sum(row["split"] == "train" for row in known.metrics) == 2 * 5


@pytest.mark.parametrize("text", [CLUSTERS, FACTORISED], ids=["kmeans", "least squares"])
def test_the_energy_never_rises(text: str, tmp_path: Path) -> None:
    changes = {"learning.fit.epochs": 40, "learning.fit.batch_size": "all"}
    seen = energies(fitted(tmp_path, text, changes=changes, Y=CLOUDS))
    assert (np.diff(seen) <= 1e-6 * seen[0]).all()
    assert seen[-1] < 0.9 * seen[0]


def test_a_dead_prototype_keeps_its_place(tmp_path: Path) -> None:
    changes = {"dims": {"code": 9}, "variables.Z.shape": ["code"], "functions.prototypes.init": 40.0}
    run = fitted(tmp_path, CLUSTERS, changes=changes, Y=CLOUDS)
    start, end = (parameter(run, "functions.prototypes.matrix", state) for state in ("start", ""))
    codes = run.model.infer(Y=torch.tensor(CLOUDS))["Z"].numpy()
    dead = codes.sum(0) == 0
    assert 0 < dead.sum() < 9
    assert (start[:, dead] == end[:, dead]).all()
    assert (start[:, ~dead] != end[:, ~dead]).any()


# --- least squares -------------------------------------------------------------------------------------------------------------


def test_regression_with_a_bias_and_two_weighted_factors_is_numpy_s(tmp_path: Path) -> None:
    x, u = (RNG.normal(size=(203, 5)) * [1, 1e-3, 40, 1, 1] + [0, 0, 5, 3, -1] for _ in "xu")
    true = RNG.normal(size=(5, 3)) / np.array([1, 1e-3, 40, 1, 1])[:, None]
    y, v = x @ true + 0.7 + RNG.normal(size=(203, 3)), 4 * (u @ true) + RNG.normal(size=(203, 3))
    rows = {"X": x, "U": u, "Y": y, "V": v}
    run = fitted(tmp_path, REGRESSION, **{key: each.astype(np.float32) for key, each in rows.items()})
    root = 0.37**0.5
    inputs = np.concatenate([np.c_[x, np.ones(203)], 2 * root * np.c_[u, np.ones(203)]])
    known = np.linalg.lstsq(inputs, np.concatenate([y, root * 0.5 * v]), rcond=None)[0]
    np.testing.assert_allclose(parameter(run, "functions.f.matrix"), known[:5].T, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(parameter(run, "functions.f.bias"), known[5], atol=1e-4)


def test_inputs_that_are_never_used_and_ones_that_say_the_same(tmp_path: Path) -> None:
    x = RNG.normal(size=(90, 5)).astype(np.float32)
    x[:, 1], x[:, 3] = 0, x[:, 2]
    y = (x @ RNG.normal(size=(5, 3))).astype(np.float32)
    text = REGRESSION.replace("learning: {fit: {", "learning: {fit: {only: one, ")
    run = fitted(tmp_path, text, X=x, U=x, Y=y, V=y)
    start, end = (parameter(run, "functions.f.matrix", state) for state in ("start", ""))
    assert (start[:, 1] == end[:, 1]).all()
    np.testing.assert_allclose((start - end)[:, 2], (start - end)[:, 3], atol=1e-5)
    assert run.metrics[-1]["shares"]["one"] < 1e-8


def test_with_real_codes_it_alternates_between_codes_and_matrix(tmp_path: Path) -> None:
    run = fitted(tmp_path, FACTORISED, Y=CLOUDS)
    matrix, bias = (parameter(run, f"functions.decoder.{name}", "start") for name in ("matrix", "bias"))
    for _ in range(3):
        codes = np.linalg.solve(0.5 * matrix.T @ matrix + 0.37 * np.eye(2), 0.5 * matrix.T @ (CLOUDS - bias).T).T
        found = np.linalg.lstsq(np.c_[codes, np.ones(len(codes))], CLOUDS.astype(np.float64), rcond=None)[0].T
        matrix, bias = found[:, :2], found[:, 2]
    np.testing.assert_allclose(parameter(run, "functions.decoder.matrix"), matrix, atol=1e-4)
    np.testing.assert_allclose(parameter(run, "functions.decoder.bias"), bias, atol=1e-4)


ONLINE = FACTORISED.replace("optimizer: closed_form", "optimizer: online_dictionary")


@pytest.mark.parametrize("text", [FACTORISED, ONLINE], ids=["closed_form", "online_dictionary"])
@pytest.mark.parametrize("changes", [{}, {"factors.reconstruction.between": ["decoder(Z)", "Y"]}], ids=["after", "before"])
def test_what_is_compared_is_read_where_it_stands_or_told_by_gradients(
    text: str, changes: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = fitted(tmp_path, text, changes=changes, Y=CLOUDS)
    assert [each.beside for each in run.plan.phases[0].closed[0].terms] == ["Y"]
    monkeypatch.setattr(Closed, "told", property(lambda _: False))
    known = fitted(tmp_path, text, name="known", changes=changes, Y=CLOUDS)
    for name in ("matrix", "bias"):
        key = f"functions.decoder.{name}"
        np.testing.assert_allclose(parameter(run, key), parameter(known, key), atol=1e-5)
    np.testing.assert_allclose(energies(run), energies(known), rtol=1e-5)


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        (FACTORISED, {"factors.reconstruction.between": ["Y", "2 * decoder(Z)"]}),
        (FACTORISED, {"factors.reconstruction.between": ["Y - decoder(Z)", 0]}),
        (FACTORISED, {"factors.reconstruction.between": ["decoder(Z)", 0.5], "functions.decoder.units": 4}),
        (HIDDEN, {"factors.noise.between": ["Y", "loading(Z)"]}),
        (MIXTURE, {"factors.component.between": ["Y", "2 * means(Z)"]}),
    ],
)
def test_where_more_stands_between_gradients_tell(text: str, changes: dict[str, Any]) -> None:
    (phase,) = compiler.plan(loads(text).with_changes(changes, "test")).phases
    assert phase.closed and not any(each.told for each in phase.closed)


# --- expectation-maximisation --------------------------------------------------------------------------------------------------


def test_a_mixture_is_scikit_learn_s_from_the_same_start_and_goes_on_within_a_pass(tmp_path: Path) -> None:
    run = fitted(tmp_path, MIXTURE, Y=CLOUDS)
    start = parameter(run, "functions.means.matrix", "start").T
    same = {"weights_init": np.ones(3) / 3, "means_init": start, "precisions_init": np.stack([np.eye(4) / (1 + 1e-6)] * 3)}
    known = GaussianMixture(3, reg_covar=0, tol=0, max_iter=3, **same)
    with pytest.warns(match="converge"):
        known.fit(CLOUDS.astype(np.float64))
    factor = parameter(run, "factors.component.factor")
    root = np.tril(factor, -1) + np.exp(factor.diagonal(0, 1, 2))[:, :, None] * np.eye(4)
    np.testing.assert_allclose(parameter(run, "functions.means.matrix").T, known.means_, rtol=0, atol=1e-5)
    np.testing.assert_allclose(root @ root.transpose(0, 2, 1) + 1e-6 * np.eye(4), known.covariances_, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(np.exp(parameter(run, "factors.share.logits")), known.weights_, rtol=1e-4)
    assert -run.metrics[-1]["energy"] == pytest.approx(known.score(CLOUDS), rel=1e-4)
    with pytest.raises(StoppedError):
        train(run.spec, tmp_path / "cut", stop_after=7, data=[tmp_path])
    again = resume(tmp_path / "cut", data=[tmp_path])
    for key in ("functions.means.matrix", "factors.component.factor", "factors.share.logits"):
        assert (parameter(again, key) == parameter(run, key)).all()


def test_factor_analysis_is_rubin_and_thayer_s(tmp_path: Path) -> None:
    """The posterior at a temperature of its own, weights and numbers around what is learned: all of it cancels or counts."""
    run = fitted(tmp_path, HIDDEN, Y=CLOUDS)
    loading, mean = (parameter(run, f"functions.loading.{name}", "start") for name in ("matrix", "bias"))
    variances, rows, strength = np.ones(4), 2 * CLOUDS.astype(np.float64), 2.5 * 0.37
    for _ in range(2):
        spread = np.linalg.inv(strength * (np.eye(2) + 0.25 * loading.T / variances @ loading))
        codes = strength * (rows - 0.5 * mean) / variances @ (0.5 * loading) @ spread
        read = np.c_[codes, np.ones(203)]
        squares = read.T @ read + 203 * np.block([[spread, np.zeros((2, 1))], [np.zeros((1, 3))]])
        whole = np.linalg.solve(squares, read.T @ rows).T
        variances = ((rows**2).sum(0) - (whole * (rows.T @ read)).sum(1)) / 203
        loading, mean = 2 * whole[:, :2], 2 * whole[:, 2]
    np.testing.assert_allclose(parameter(run, "functions.loading.matrix"), loading, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(parameter(run, "functions.loading.bias"), mean, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(np.exp(-parameter(run, "factors.noise.log_precision")), variances, rtol=1e-4)


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"factors.component.between": ["Y", "means(Y)"], "functions.means.init": 1}, "FG431", ("choice of Z", "applied to Y")),
        ({"factors.component.between": ["Y", "tanh(means(Z))"]}, "FG431", ("component", "sums and numbers")),
        ({"factors.component.weight": -1}, "FG431", ("its weight is -1",)),
        ({"factors.share.weight": -1}, "FG431", ("share", "its weight is -1")),
        ({"functions.means.orthonormal": "rows", "functions.means.init": 1, "variables.Z.shape": [4]}, "FG431", ("is free",)),
        ("more: {type: squared_distance, between: [Y, means(Z)]}", "FG432", ("component", "more", "means")),
        ("tilt: {type: bias, of: Y}", "FG430", ("factors.tilt", "bias", "no estimate")),
        ({"inference.responsibility.without": ["share"]}, "FG434", ("responsibility", "share")),
        ({"learning.fit.optimizer": "online_dictionary", "learning.fit.train": "means"}, "FG434", ("responsibility",)),
    ],
)
def test_a_mixture_that_has_no_closed_form_is_refused(changes: Any, code: str, words: tuple[str, ...]) -> None:
    """``changes``: addresses, or a factor more."""
    more, text = (changes, {}) if isinstance(changes, str) else ("", changes)
    with pytest.raises(SpecError) as caught:
        compiler.plan(loads(MIXTURE.replace("inference:", f"  {more}\ninference:")).with_changes(text, "test"))
    said = str(caught.value)
    assert code in said and all(word in said for word in words), said


# --- PCA -----------------------------------------------------------------------------------------------------------------------


def test_orthonormal_rows_become_the_leading_directions(tmp_path: Path) -> None:
    rows = (RNG.normal(size=(203, 4)) @ np.diag([3, 2, 1, 0.5]) @ np.linalg.qr(RNG.normal(size=(4, 4)))[0]).astype(np.float32)
    run = fitted(tmp_path, DIRECTIONS, Y=rows)
    found = parameter(run, "functions.W.matrix")
    _, sizes, directions = np.linalg.svd(rows.astype(np.float64), full_matrices=False)
    assert np.linalg.svd(found @ directions[:2].T)[1].min() > np.cos(1e-3)
    np.testing.assert_allclose(np.abs(np.diag(found @ directions[:2].T)), 1, atol=1e-5)  # in their order
    assert (np.take_along_axis(found, np.abs(found).argmax(1)[:, None], 1) > 0).all()
    assert run.metrics[-1]["energy"] == pytest.approx((sizes[2:] ** 2).sum() / 203, rel=1e-4)


# --- a pass --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [FACTORISED, DIRECTIONS], ids=["least squares", "pca"])
def test_a_run_goes_on_in_the_middle_of_a_pass_bit_for_bit(text: str, tmp_path: Path) -> None:
    changes = {"learning.fit.epochs": 2, "learning.fit.batch_size": 110}
    known = fitted(tmp_path, text, changes=changes, Y=CLOUDS)
    key = next(iter(known.folder.load_latest().tensors["model"]))
    for step in (1, 2, 3):
        with pytest.raises(StoppedError):
            train(known.spec, tmp_path / f"cut{step}", stop_after=step, data=[tmp_path])
        run = resume(tmp_path / f"cut{step}", data=[tmp_path])
        assert (parameter(run, key) == parameter(known, key)).all()
        assert energies(run).tolist() == energies(known).tolist()


def test_nothing_moves_within_a_pass_and_a_phase_ends_with_what_it_saw(tmp_path: Path) -> None:
    changes = {"learning.fit": {"optimizer": "closed_form", "batch_size": 50, "steps": 7}}
    run = fitted(tmp_path, CLUSTERS, changes=changes, Y=CLOUDS)
    key = "functions.prototypes.matrix"
    for step, moved in ((4, False), (6, True)):
        with pytest.raises(StoppedError):
            train(run.spec, tmp_path / f"cut{step}", stop_after=step, data=[tmp_path])
        held = Run(tmp_path / f"cut{step}")
        assert (parameter(held, key) != parameter(held, key, "start")).any() == moved
    assert (parameter(held, key) != parameter(run, key)).any()
    assert [row["epoch"] for row in run.metrics if row["split"] == "train"] == [0] * 5 + [1] * 2


@pytest.mark.parametrize("directions", [False, True])
def test_sums_that_are_no_numbers_make_parameters_that_are_none(directions: bool) -> None:
    matrix = torch.nn.Parameter(torch.eye(2))
    optimizer = Minimum([{"params": [matrix], "directions": directions}])
    matrix.grad = torch.zeros(2, 2)
    optimizer.gather(optimizer.param_groups[0], [(torch.tensor([[1.0, torch.nan]]), torch.tensor([2.0]), None)], rows=1)
    optimizer.step()
    assert matrix.isnan().all()


# --- what is refused, what is said ---------------------------------------------------------------------------------------------

TWO = """
factorgraph: 1
variables: {Y: {kind: observed, shape: [4]}, X: {kind: observed, shape: [3]}, Z: {kind: latent, shape: [4]}}
functions: {f: linear, g: {type: linear}, s: {type: linear, activation: shrink}}
factors: {one: {type: squared_distance, between: [Y, f(X)]}, prior: {type: squared_distance, between: [Z, 0]}}
inference: {best: {method: argmin, of: Z}, fast: {method: amortized, of: Z, by: f(X)}}
learning: {fit: {optimizer: closed_form}}
"""


UNROLLED = {
    "variables.X.shape": [4],
    "factors.one.between": ["Y", "f(Z)"],
    "inference.best": {"method": "unrolled", "of": "Z", "steps": 3},
}


def with_factor(arguments: str, weight: float = 1) -> dict[str, Any]:
    return {"factors.one": {"type": "squared_distance", "between": arguments.split(" | "), "weight": weight}}


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"functions.f": {"type": "linear", "unit_norm": "columns"}}, "FG430", ("functions.f", "unit_norm")),
        ({"functions.f": {"type": "linear", "max_row_norm": 1}}, "FG430", ("functions.f", "norm")),
        (with_factor("Y | s(X)"), "FG430", ("functions.s.activation", "shrink")),
        (with_factor("Y | s(X)") | {"learning.fit.train": "s"}, "FG431", ('"one"', "s", "between them")),
        (with_factor("Y | tanh(f(X))"), "FG431", ('"one"', "f")),
        (with_factor("Y | f(X)", -0.5), "FG431", ("weight", "-0.5")),
        (with_factor("Y | f(X) + f(2 * X)"), "FG431", ("more than once",)),
        (with_factor("Y | Y * f(X)"), "FG431", ("sums and numbers",)),
        (with_factor("f(X) + Y | f(X)"), "FG431", ("both sides",)),
        (with_factor("X | f.transpose(Y)"), "FG431", ("transpose",)),
        ({"factors.one": {"type": "l1", "of": "Y - f(X)"}}, "FG431", ("l1",)),
        (with_factor("f(X) | g(X) + Y"), "FG432", ("f and g", '"one"')),
        (with_factor("Y | f(g(X))") | {"functions.g.units": 3}, "FG432", ("g", '"one"')),
        ({"inference.best": {"method": "amortized", "of": "Z", "by": "g(X)"}}, "FG434", ('"best"', "g")),
        (UNROLLED, "FG434", ('"best"', "f")),
        ({"functions.f": {"type": "linear", "rate": 0.001}}, "FG435", ("rate", "f")),
        ({"learning.fit.learning_rate": 0.1}, "FG435", ("learning_rate",)),
        ({"learning.fit.schedule": "linear"}, "FG435", ("schedule",)),
        ({"functions.f": {"type": "linear", "orthonormal": "rows"}, "variables.X.shape": [6]}, "FG431", ("orthonormal",)),
    ],
)
def test_what_has_no_closed_form_is_refused(changes: dict[str, Any], code: str, words: tuple[str, ...]) -> None:
    with pytest.raises(SpecError) as caught:
        compiler.plan(loads(TWO).with_changes(changes, "test"))
    found = [each for each in caught.value.issues if each.code == code]
    assert found, str(caught.value)
    said = str(caught.value)
    assert all(word in said for word in (*words, "optimizer: adam")), said


def test_other_losses_are_refused() -> None:
    loss = {"type": "imitation", "teacher": "best", "student": "fast"}
    spec = loads(TWO).with_changes({"learning.fit.loss": loss}, "test")
    with pytest.raises(SpecError, match=r"FG433.*imitation"):
        compiler.plan(spec)


@pytest.mark.parametrize("changes", [{}, with_factor("Y - 1 | 0.5 * f(X) + X.0") | with_factor("Y | -(f(X) - Y)")])
def test_sums_and_numbers_around_a_function_are_no_obstacle(changes: dict[str, Any]) -> None:
    (phase,) = compiler.plan(loads(TWO).with_changes(changes, "test")).phases
    assert [(each.function, each.kind) for each in phase.closed] == [("f", "least_squares")]


def test_a_plan_with_a_closed_form_is_read_back_as_it_was() -> None:
    import json

    plan = compiler.plan(loads(CLUSTERS))
    assert from_json(json.loads(plan.to_json())) == plan
    assert plan.phases[0].closed[0].terms[0].weight == 0.37
    mixed = compiler.plan(loads(MIXTURE))
    assert from_json(json.loads(mixed.to_json())) == mixed
    assert [(each.factor, each.function) for each in mixed.phases[0].estimates] == [("component", "means"), ("share", "")]


@pytest.mark.parametrize(
    ("text", "words"),
    [(CLUSTERS, "K-means"), (FACTORISED, "least squares on Z"), (DIRECTIONS, "PCA"), (MIXTURE, "expectation-maximisation")],
    ids=["1", "2", "3", "4"],
)
def test_explain_says_what_is_solved(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(text)
    assert words in explained(str(tmp_path / "spec.yaml"), ())
