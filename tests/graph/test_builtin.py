"""``join``, ``sum`` and ``mean`` from their words in a spec to their values, against torch."""

from __future__ import annotations

import inspect

import pytest
import torch

import factorgraph as fg
from factorgraph.compile.model import Model
from factorgraph.errors import SpecError
from factorgraph.graph.builtin import BUILTIN
from factorgraph.graph.resolve import resolve
from factorgraph.spec.language import TYPES, UNDECLARED
from factorgraph.spec.load import loads

JOINED = """
factorgraph: 1
variables:
  A: {kind: observed, shape: [4, 3]}
  B: {kind: observed, shape: [2, 3]}
  Y: {kind: observed, shape: [7]}
functions:
  W: linear
factors:
  near: {type: squared_distance, between: [Y, "W(A, B)"], weight: 0.37}
  back: {type: squared_distance, between: ["join(B, A)", "W.transpose(W(A, B))"], weight: 0.21}
"""
OVER_FRAMES = """
factorgraph: 1
indices: {t: 3}
variables:
  A: {kind: observed, per: t, shape: [4]}
  Z: {kind: observed, shape: [5]}
functions:
  W: linear
  V: {type: linear, bias: false}
factors:
  one: {type: squared_distance, between: [Z, "mean(W(A), t)"], weight: 0.37}
  two: {type: squared_distance, between: [Z, "sum(V(A[t] - A[t-1]), t)"]}
  each: {type: l1, of: "A - mean(A, t)", weight: 0.5}
"""
INFERRED = """
factorgraph: 1
variables:
  Y: {kind: observed, shape: [9]}
  A: {kind: latent, shape: [4]}
  B: {kind: latent, shape: [3]}
functions:
  W: {type: linear, bias: false}
factors:
  near: {type: squared_distance, between: [Y, "W(A, B)"]}
  first: {type: squared_distance, between: [A, 0], weight: 0.37}
  second: {type: squared_distance, between: [B, 0], weight: 0.21}
inference:
  best: {method: argmin, of: [A, B], solver: SOLVER, steps: 3000, tolerance: 1.0e-10}
"""


def model_of(text: str) -> Model:
    return fg.build(loads(text)).double()


def rows(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def tensor(model: Model, name: str) -> torch.Tensor:
    return dict(model.named_parameters())[name].detach()


def test_joined_arguments_are_joined_along_the_first_axis_and_a_transpose_gives_all_of_them_back():
    model = model_of(JOINED)
    a, b, y = rows(5, 4, 3), rows(5, 2, 3, seed=1), rows(5, 7, seed=2)
    matrix = tensor(model, "functions.W.matrix")
    bias = tensor(model, "functions.W.bias").normal_(generator=torch.Generator().manual_seed(3))
    made = torch.cat([a, b], 1).flatten(1) @ matrix.T + bias
    back = torch.cat([b, a], 1).flatten(1) - made @ matrix
    expected = 0.37 * (y - made).square().sum(1) + 0.21 * back.square().sum(1)
    torch.testing.assert_close(model.energy(A=a, B=b, Y=y).detach(), expected)


def test_a_sum_and_a_mean_are_over_the_slots_where_their_value_exists():
    model = model_of(OVER_FRAMES)
    a, z = rows(5, 3, 4), rows(5, 5, seed=1)
    w, v = tensor(model, "functions.W.matrix"), tensor(model, "functions.V.matrix")
    bias = tensor(model, "functions.W.bias").normal_(generator=torch.Generator().manual_seed(3))
    expected = 0.37 * (z - (a @ w.T + bias).mean(1)).square().sum(1)
    expected += (z - (a[:, 2] - a[:, 0]) @ v.T).square().sum(1)
    expected += 0.5 * (a - a.mean(1, keepdim=True)).abs().sum((1, 2))
    torch.testing.assert_close(model.energy(A=a, Z=z).detach(), expected)


@pytest.mark.parametrize("solver", ["fista", "exact"])
def test_joined_latents_are_inferred_together(solver):
    model, y = model_of(INFERRED.replace("SOLVER", solver)), rows(5, 9)
    found = model.infer(Y=y)
    matrix = tensor(model, "functions.W.matrix")
    weights = torch.diag(torch.tensor([0.37] * 4 + [0.21] * 3, dtype=torch.float64))
    exact = torch.linalg.solve(matrix.T @ matrix + weights, matrix.T @ y.T).T
    torch.testing.assert_close(torch.cat([found["A"], found["B"]], 1), exact, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("written", ["W.transpose(Y, C)", "W.transpose(join(Y, C))"])
def test_arguments_of_a_transpose_are_joined_as_well(written):
    text = JOINED.replace('"W.transpose(W(A, B))"', f'"{written}"').replace('[Y, "W', '["join(Y, C)", "W')
    model = model_of(text.replace("functions:", "  C: {kind: observed, shape: [2]}\nfunctions:"))
    (value,) = [each for each in model.graph.values.values() if getattr(each, "method", "") == "transpose"]
    assert (value.id, value.arguments, value.shape) == ("W.transpose(Y, C)", ("join(Y, C)",), (6, 3))
    y, c = rows(5, 7), rows(5, 2, seed=1)
    found = model.evaluate((value.id,), Y=y, C=c)[value.id]
    torch.testing.assert_close(found.flatten(1), torch.cat([y, c], 1) @ tensor(model, "functions.W.matrix"))


def test_one_value_of_a_join_may_leave_its_size_out():
    text = JOINED.replace("B: {kind: observed, shape: [2, 3]}", "B: {kind: latent}\n  X: {kind: observed, shape: [9, 3]}")
    text = text.replace('"join(B, A)", "W.transpose(W(A, B))"', 'X, "join(B, A)"')
    assert resolve(loads(text)).variables["B"].shape == (5, 3)
    for short in ("[4, 3]", "[3, 3]"):  # nothing, or less, is left
        with pytest.raises(SpecError) as error:
            resolve(loads(text.replace("[9, 3]", short)))
        assert [it.code for it in error.value.issues] == ["FG322"]


@pytest.mark.parametrize("name", BUILTIN)
def test_they_are_described_as_leaves_are(name):
    described = BUILTIN[name]
    assert described.summary.endswith(".") and len(described.summary) <= 120
    lines = inspect.cleandoc(described.text).split("\n")
    for word in (".. math:: ", "Promises: ", "Shapes:  ", "Source:  "):
        assert any(line.startswith(word) for line in lines)
    assert name in UNDECLARED and name in TYPES["functions"]
