"""online_dictionary against loops and matrices written out here, projected gradients, and scikit-learn's online learning."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.decomposition import MiniBatchDictionaryLearning, sparse_encode

from factorgraph import compile as compiler
from factorgraph.cli.explain_ import _plan as explained
from factorgraph.compile.model import Model
from factorgraph.compile.plan import from_json
from factorgraph.errors import SpecError
from factorgraph.run.run import Run
from factorgraph.spec.load import load, loads
from factorgraph.training.objective import evaluate
from factorgraph.training.optimizers._columns import Columns
from factorgraph.training.session import StoppedError, resume, train
from factorgraph.training.sides import Moment, stretches

Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(5)

FIXED = """
factorgraph: 1
variables: {Y: {kind: observed, shape: [4]}, X: {kind: observed, shape: [5]}}
functions: {decoder: {type: linear, bias: false, max_column_norm: 0.6}}
factors: {reconstruction: {type: squared_distance, between: [Y, 2 * decoder(X)], weight: 0.37}}
learning: {fit: {optimizer: {type: online_dictionary, forgetting: 0}}}
"""
FACTORISED = """
factorgraph: 1
variables: {Y: {kind: observed, shape: [4]}, Z: {kind: latent, shape: [3]}}
functions: {decoder: {type: linear, unit_norm: columns, BIAS}}
factors:
  reconstruction: {type: squared_distance, between: [Y, decoder(Z)], weight: 0.37}
  prior: {type: squared_distance, between: [Z, 0], weight: 0.21}
inference: {best: {method: argmin, of: Z, solver: exact}}
learning: {fit: {optimizer: {type: online_dictionary, forgetting: 1.5}, steps: 5, batch_size: 40}}
data: {source: arrays, file: rows.npz, bind: {Y: Y}}
"""
DRAWN = """
factorgraph: 1
variables: {Y: {kind: observed, shape: [2, 6, 5]}, X: {kind: observed, shape: SHAPE}}
functions:
  decoder: {type: convolution, kernel: 3, max_column_norm: 0.6, OPTIONS}
  inside: {type: crop, margin: 1}
factors: {reconstruction: {type: squared_distance, between: BETWEEN, weight: 0.37}}
learning: {fit: {optimizer: {type: online_dictionary, forgetting: 0}}}
"""
WHOLE, INSIDE = "[Y, decoder(X)]", "[inside(Y), inside(decoder(X))]"
CONVOLUTIONS = {
    "small codes": ([3, 4, 3], "padding: full, bias: false", WHOLE),
    "small codes, no border": ([3, 4, 3], "padding: full, bias: false", INSIDE),
    "large codes": ([3, 8, 7], "padding: valid", WHOLE),
    "same, no border": ([3, 6, 5], "padding: same", INSIDE),
    "strides": ([3, 13, 11], "padding: valid, stride: 2", WHOLE),
}


def learned(text: str, steps: int, **rows: Array) -> Model:
    """A model after some steps over all rows, in float64."""
    model: Model = compiler.build(loads(text)).to(torch.float64)
    (stretch,) = stretches(model, rows=len(next(iter(rows.values()))))
    (side,) = stretch.sides()
    given = model.assign({name: torch.tensor(each, dtype=torch.float64) for name, each in rows.items()})
    for _ in range(steps):
        outcome = evaluate(stretch, side, given)
        side.learn(outcome, Moment(0.5, is_last=False))
        model.project()
    return model


def tensors(model: Model) -> dict[str, Array]:
    return {name: each.detach().double().numpy().copy() for name, each in model.tensors()["functions.decoder"].items()}


def drawn(name: str) -> tuple[str, Array, Array]:
    """The spec of a convolution of fixed codes, with codes and pictures."""
    shape, options, between = CONVOLUTIONS[name]
    text = DRAWN.replace("SHAPE", str(shape)).replace("OPTIONS", options).replace("BETWEEN", between)
    return text, RNG.normal(size=(7, *shape)) * np.array([1, 0.2, 3])[:, None, None], RNG.normal(size=(7, 2, 6, 5)) + 0.4


def equations(text: str, x: Array, y: Array) -> tuple[Array, Array, Array, int]:
    """Gram matrix (units, units) and products (outputs, units) of explicit matrices, kernel by kernel, and the start."""
    model: Model = compiler.build(loads(text)).to(torch.float64)
    start = tensors(model)
    flat = np.concatenate([each.reshape(2, -1) for each in start.values()], 1)
    leaf = model.graph.functions["decoder"].leaf
    picture = slice(1, -1) if "inside(Y)" in text else slice(None)
    columns = []
    for unit in range(flat.shape[1]):  # the picture that one number of the first output's matrix draws
        one = np.zeros_like(flat)
        one[0, unit] = 1
        size = start["matrix"][0].size
        parts = {"matrix": torch.tensor(one[:, :size].reshape(start["matrix"].shape))}
        parts |= {"bias": torch.tensor(one[:, size])} if "bias" in start else {}
        columns.append(leaf.forward(torch.tensor(x), parts)[:, 0, picture, picture].flatten().numpy())
    design = np.stack(columns, 1)
    seen = np.stack([y[:, output, picture, picture].ravel() for output in (0, 1)])
    return 2 * 0.37 * design.T @ design, 2 * 0.37 * seen @ design, flat, start["matrix"][0].size


def within(column: Array, limit: float) -> Array:
    scaled: Array = column * min(1, limit / np.linalg.norm(column))
    return scaled


def constrained(gram: Array, products: Array, blocks: list[slice], limit: float) -> Array:
    """The least squares solution whose blocks of columns are bounded, by accelerated projected gradients."""
    at = before = np.zeros_like(products)
    step = 1 / np.linalg.eigvalsh(gram)[-1]
    for count in range(20000):
        ahead = at + count / (count + 3) * (at - before)
        new = ahead - step * (ahead @ gram - products)
        for block in blocks:
            new[:, block] = within(new[:, block], limit)
        at, before = new, at
    return at


# --- the mathematics -----------------------------------------------------------------------------------------------------------


def test_passes_over_fixed_codes_lead_to_the_constrained_minimum() -> None:
    x, y = RNG.normal(size=(60, 5)) * [1, 1, 0.2, 2, 1] + 0.3, RNG.normal(size=(60, 4)) * 3
    found = tensors(learned(FIXED, 400, X=x, Y=y))["matrix"]
    known = constrained(4 * x.T @ x, 2 * y.T @ x, [slice(each, each + 1) for each in range(5)], 0.6)
    norms = np.linalg.norm(known, axis=0)
    assert (norms > 0.599).any() and (norms < 0.59).any(), "some columns are bounded, and some are not"
    np.testing.assert_allclose(found, known, atol=1e-8)


@pytest.mark.parametrize("bias", ["bias: true", "bias: false"])
def test_steps_are_those_of_the_loop_in_the_paper(bias: str) -> None:
    text, y = FACTORISED.replace("BIAS", bias), RNG.normal(size=(50, 4)) + 0.5
    start = tensors(learned(text, 0, Y=y))
    matrix, offset = start["matrix"], start.get("bias", np.zeros(4))
    codes_and_one = np.zeros((50, 4))
    sums, products = np.zeros((4, 4)), np.zeros((4, 4))
    for step in range(1, 5):
        codes_and_one[:, 3] = "bias" in start
        codes_and_one[:, :3] = np.linalg.solve(0.37 * matrix.T @ matrix + 0.21 * np.eye(3), 0.37 * matrix.T @ (y - offset).T).T
        fade = (1 - 1 / step) ** 1.5
        sums = fade * sums + codes_and_one.T @ codes_and_one
        products = fade * products + y.T @ codes_and_one
        whole = np.c_[matrix, offset]
        for j in range(3 + len(start) - 1):
            u = whole[:, j] + (products[:, j] - whole @ sums[:, j]) / sums[j, j]
            whole[:, j] = u / np.linalg.norm(u) if j < 3 else u
        matrix, offset = whole[:, :3], whole[:, 3]
    found = tensors(learned(text, 4, Y=y))
    np.testing.assert_allclose(found["matrix"], matrix, atol=1e-9)
    np.testing.assert_allclose(found.get("bias", np.zeros(4)), offset, atol=1e-9)


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolutions_have_the_equations_of_explicit_matrices(name: str) -> None:
    """Behind any border, stride and crop the first step ends where the explicit equations do, and many at their minimum."""
    text, x, y = drawn(name)
    gram, products, start, size = equations(text, x, y)
    blocks = [slice(each, each + 9) for each in range(0, size, 9)]
    known = start.copy()
    for block in [*blocks, *([slice(size, size + 1)] if len(gram) > size else [])]:
        part = gram[block, block]
        power = np.trace(np.linalg.matrix_power(part, 32)) ** (1 / 32) * (1 + 1e-4 * (len(part) > 1))  # above its eigenvalues
        known[:, block] -= (known @ gram[:, block] - products[:, block]) / power
        known[:, block] = within(known[:, block], 0.6) if len(part) > 1 else known[:, block]
    one = learned(text, 1, X=x, Y=y)
    found = np.concatenate([each.reshape(2, -1) for each in tensors(one).values()], 1)
    np.testing.assert_allclose(found, known, atol=1e-9)
    found = np.concatenate([each.reshape(2, -1) for each in tensors(learned(text, 300, X=x, Y=y)).values()], 1)
    np.testing.assert_allclose(found, constrained(gram, products, blocks, 0.6), atol=1e-5)


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_closed_form_sets_free_convolutions_to_the_minimum(name: str, tmp_path: Path) -> None:
    text, x, y = drawn(name)
    gram, products, _, _ = equations(text, x, y)
    text = text.replace("max_column_norm: 0.6, ", "").replace("{type: online_dictionary, forgetting: 0}", "closed_form, steps: 1")
    model: Model = compiler.build(loads(text)).to(torch.float64)
    (stretch,) = stretches(model, rows=7)
    (side,) = stretch.sides()
    given = model.assign({"X": torch.tensor(x), "Y": torch.tensor(y)})
    outcome = evaluate(stretch, side, given)
    side.learn(outcome, Moment(0, is_last=True))
    found = np.concatenate([each.reshape(2, -1) for each in tensors(model).values()], 1)
    np.testing.assert_allclose(found, np.linalg.solve(gram, products.T).T, atol=1e-8)


def test_what_was_never_used_stays_and_what_is_forgotten_is_as_if_it_never_was() -> None:
    matrix = torch.nn.Parameter(torch.eye(3))
    start = matrix.detach().clone()
    optimizer = Columns([{"params": [matrix], "norms": (0.0, None)}], forgetting=0.0)
    x = torch.tensor([[1.0, 2.0, 0.0], [0.5, -1.0, 0.0]])
    matrix.grad = torch.tensor([[0.3, 0.1, 0.0], [0.2, 0.7, 0.0], [0.5, 0.4, 0.0]])
    optimizer.gather(optimizer.param_groups[0], [(x, torch.ones(2), None)], rows=2)
    optimizer.forget(matrix, [1])
    optimizer.step()
    assert torch.equal(matrix[:, 1:], start[:, 1:])
    torch.testing.assert_close(matrix[:, 0], start[:, 0] - torch.tensor([0.6, 0.4, 1.0]) / 1.25 + 1.5 / 1.25 * start[:, 1])


@pytest.mark.parametrize("shape", [(2, 2), (2, 2, 2, 2)])
def test_sums_that_are_no_numbers_make_parameters_that_are_none(shape: tuple[int, ...]) -> None:
    matrix = torch.nn.Parameter(torch.ones(shape))
    optimizer = Columns([{"params": [matrix], "norms": (1.0, 1.0)}], forgetting=1.0)
    matrix.grad = torch.zeros(shape)
    optimizer.gather(optimizer.param_groups[0], [(torch.full((1, matrix[0].numel()), torch.nan), torch.ones(1), None)], rows=1)
    optimizer.step()
    assert matrix.isnan().all()


# --- in use --------------------------------------------------------------------------------------------------------------------

DIGITS = """
factorgraph: 1
variables: {Y: {kind: observed, shape: [64]}, Z: {kind: latent, shape: [40]}}
functions: {decoder: {type: linear, bias: false, max_column_norm: 1}}
factors:
  reconstruction: {type: squared_distance, between: [Y, decoder(Z)], weight: 0.5}
  sparsity: {type: l1, of: Z, weight: 0.5}
inference: {best: {method: argmin, of: Z, solver: fista, steps: 40}}
learning: {fit: {optimizer: online_dictionary, epochs: 2, batch_size: 50}}
data: {source: arrays, file: rows.npz, bind: {Y: Y}}
"""


def fitted(folder: Path, text: str, **rows: Array) -> Run:
    """A run on these training rows, measured on rows that differ from them in the last places alone."""
    parts = (("train", 1), ("test", 1 + 2e-6))
    split = {f"{key}_{part}": each * by for key, each in rows.items() for part, by in parts}
    np.savez(folder / "rows.npz", **{key: each.astype(np.float32) for key, each in split.items()})  # type: ignore[arg-type]
    (folder / "spec.yaml").write_text(text)
    return train(load(folder / "spec.yaml"), folder / "run")


def parameter(run: Run, name: str, checkpoint: str = "") -> Array:
    found = run.folder.load_named(checkpoint) if checkpoint else run.folder.load_latest()
    assert found is not None
    values: Array = found.tensors["model"][f"functions.decoder.{name}"].double().numpy()
    return values


def lasso(atoms: Array, rows: Array) -> float:
    """The mean energy of the best codes, which scikit-learn finds in float64."""
    codes = sparse_encode(rows, atoms.T, algorithm="lasso_cd", alpha=0.5, max_iter=3000)
    return float((0.5 * ((rows - codes @ atoms.T) ** 2).sum(1) + 0.5 * np.abs(codes).sum(1)).mean())


def test_as_many_samples_lead_as_far_as_scikit_learn_gets(tmp_path: Path) -> None:
    rows = (load_digits().data - 5) / 6.0
    known, held_out = rows[:1200], rows[1500:1700]
    run = fitted(tmp_path, DIGITS, Y=known)
    start = parameter(run, "matrix", "start")
    start /= np.maximum(1, np.linalg.norm(start, axis=0))
    options = {"alpha": 0.5, "max_iter": 2, "batch_size": 50, "fit_algorithm": "cd", "random_state": 0}
    other = MiniBatchDictionaryLearning(40, dict_init=start.T.copy(), **options).fit(known)
    ours, theirs = lasso(parameter(run, "matrix"), held_out), lasso(other.components_.T, held_out)
    assert ours <= 1.001 * theirs < 0.8 * lasso(start, held_out), (ours, theirs)


@pytest.mark.parametrize("bias", ["bias: true", "bias: false"])
def test_a_run_goes_on_bit_for_bit(bias: str, tmp_path: Path) -> None:
    known = fitted(tmp_path, FACTORISED.replace("BIAS", bias), Y=RNG.normal(size=(90, 4)))
    for step in (1, 3):
        with pytest.raises(StoppedError):
            train(known.spec, tmp_path / f"cut{step}", stop_after=step, data=[tmp_path])
        run = resume(tmp_path / f"cut{step}", data=[tmp_path])
        assert (parameter(run, "matrix") == parameter(known, "matrix")).all()
        assert (parameter(run, "matrix") != parameter(run, "matrix", "start")).any()
    assert [row["epoch"] for row in known.metrics if row["split"] == "train"] == [0, 0, 0, 1, 1], "batches lie across passes"


# --- what is refused, what is said ---------------------------------------------------------------------------------------------

SQUARE = {"variables.X.shape": [4]}
LARGE = {"variables.X.shape": [30000]}


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"functions.decoder": {"type": "linear", "unit_norm": "rows"}}, "FG430", ("unit_norm", "each column")),
        ({"functions.decoder": {"type": "linear", "max_row_norm": 1, "max_column_norm": 1}}, "FG430", ("norms", "each column")),
        ({"functions.decoder": {"type": "linear", "orthonormal": "rows"}}, "FG430", ("orthonormal",)),
        ({"functions.decoder": {"type": "linear", "hollow": True}} | SQUARE, "FG430", ("hollow",)),
        ({"functions.decoder.activation": "tanh"}, "FG431", ('"reconstruction"', "between them")),
        ({"learning.fit.learning_rate": 0.1}, "FG435", ("online_dictionary has no learning rate", "learning_rate")),
        (LARGE, "FG480", ("30,000", "7 GiB", "23,170")),
        ({"factors.reconstruction.type": "distance"}, "FG431", ("distance",)),
    ],
)
def test_what_it_cannot_move_is_refused(changes: dict[str, Any], code: str, words: tuple[str, ...]) -> None:
    with pytest.raises(SpecError) as caught:
        compiler.plan(loads(FIXED).with_changes(changes, "test"))
    said = str(caught.value)
    assert code in {each.code for each in caught.value.issues}, said
    assert all(word in said for word in (*words, "optimizer: adam")), said


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("OPTIONS", "padding: same, connections: 1", "connections"),
        ("BETWEEN", "[inside(Y), inside(decoder(X) * decoder(X))]", "sums and numbers"),
    ],
)
def test_convolutions_that_it_cannot_move_are_refused(old: str, new: str, words: str) -> None:
    text = DRAWN.replace("SHAPE", "[3, 6, 5]").replace(old, new).replace("OPTIONS", "padding: same").replace("BETWEEN", WHOLE)
    with pytest.raises(SpecError, match=words):
        compiler.plan(loads(text))


def test_the_plan_is_read_back_and_explained(tmp_path: Path) -> None:
    text, _, _ = drawn("same, no border")
    plan = compiler.plan(loads(text))
    assert from_json(json.loads(plan.to_json())) == plan
    assert len(plan.phases[0].closed[0].terms[0].selections) == 1
    (tmp_path / "spec.yaml").write_text(text)
    assert "column by column, by second moments of X, each onto its norm" in explained(str(tmp_path / "spec.yaml"), ())
