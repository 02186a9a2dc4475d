"""Evaluation of what is more than one value in, one value out: arguments apart, parts of results, methods, numbers as states."""

from __future__ import annotations

import re
from typing import ClassVar, Literal

import pytest
import torch
from torch import Tensor

from factorgraph import compile as compiler
from factorgraph.compile.dependence import Kind, dependences
from factorgraph.compile.model import Model
from factorgraph.errors import RunError, SpecError
from factorgraph.graph.resolve import resolve
from factorgraph.registry import leaves
from factorgraph.spec.load import loads
from factorgraph.structure import Differentiable, Function, Parameter, Parameters, Shape
from tests.compile.specs import SPARSE


class WhatWhere(Function, Differentiable):
    """The larger of two halves, and by how much."""

    type: Literal["what_where"] = "what_where"
    outputs: ClassVar[tuple[str, ...]] = ("what", "where")
    methods: ClassVar[tuple[str, ...]] = ("unpool",)

    def output_shape(self, given: Shape, wanted: Shape | None) -> Shape | None:
        return given

    def part_shape(self, output: str, result: Shape) -> Shape:
        return (result[0] // 2,)

    def part(self, output: str, whole: Tensor) -> Tensor:
        what, where = whole.chunk(2, 1)
        return what if output == "what" else where

    def method_shape(self, method: str, given: tuple[Shape | None, ...]) -> Shape | None:
        return None if given[0] is None else (2 * given[0][0],)

    def forward(self, x: Tensor, parameters: Parameters) -> Tensor:
        a, b = x.chunk(2, 1)
        return torch.cat([torch.maximum(a, b), a - b], 1)

    def unpool(self, what: Tensor, where: Tensor, parameters: Parameters) -> Tensor:
        return torch.cat([what - (-where).clamp_min(0), what - where.clamp_min(0)], 1)


class State(Function, Differentiable):
    """A leaking state that is driven from outside."""

    type: Literal["lstm"] = "lstm"
    joins: ClassVar[bool] = False

    def output_shape(self, given: Shape, wanted: Shape | None) -> Shape | None:
        return given

    def method_shape(self, method: str, given: tuple[Shape | None, ...]) -> Shape | None:
        return given[0] or given[-1]

    def parameters(self, given: Shape, result: Shape) -> dict[str, Parameter]:
        return {"leak": Parameter((), "constant", 0.37)}

    def forward(self, x: Tensor, state: Tensor, parameters: Parameters) -> Tensor:  # type: ignore[override]
        return x + parameters["leak"] * state.reshape(x.shape)


@pytest.fixture(autouse=True)
def more(monkeypatch: pytest.MonkeyPatch) -> None:
    known = leaves("functions")
    monkeypatch.setattr(known, "_own", known._own | {"what_where", "lstm"})
    monkeypatch.setattr(known, "_found", {**known._found, "what_where": WhatWhere, "lstm": State})


def model_of(text: str) -> Model:
    return compiler.build(loads("factorgraph: 1\n" + text))


def rows(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


POOLED = """
variables:
  X: {kind: observed, shape: [6]}
  S: pool(X)
functions: {pool: what_where}
factors:
  back: {type: squared_distance, between: [X, "pool.unpool(S.what, S.where)"]}
  half: {type: squared_distance, between: ["pool(X).what", 0]}
"""


def test_parts_of_a_result_and_other_methods() -> None:
    model, x = model_of(POOLED), rows(5, 6)
    shares = model.program.shares(model.graph.factors, {"X": x}, model.tensors())
    torch.testing.assert_close(shares["back"], torch.zeros(5), atol=1e-10, rtol=0)
    torch.testing.assert_close(shares["half"], torch.maximum(x[:, :3], x[:, 3:]).square().sum(1))


FRAMES = """
indices: {t: 3}
variables:
  X: {kind: observed, shape: [4], per: t}
  H: {is: "cell(X, H[t-1])", start: 0.5}
functions: {cell: lstm}
factors:
  size: {type: squared_distance, between: [H, 0]}
"""


def test_arguments_that_stay_apart_and_a_state_that_begins_as_a_number() -> None:
    model, x = model_of(FRAMES), rows(5, 3, 4)
    found = model.energy(X=x)
    state, expected = torch.full((5, 4), 0.5), torch.zeros(5)
    for t in range(3):
        state = state if t == 0 else x[:, t] + 0.37 * state
        expected = expected + state.square().sum(1)
    torch.testing.assert_close(found, expected)


STANDARD = """
variables:
  Y: {kind: observed, shape: [2, 3]}
  Z: {kind: latent, shape: [2, 3]}
functions: {standardise: standardise}
factors:
  fit: {type: squared_distance, between: [Z, %s]}
"""
SEARCH = "inference: {best: {method: argmin, of: Z}}\n"


def test_standardised_by_its_own_or_by_anothers_statistics() -> None:
    y = rows(50, 2, 3) * torch.tensor([0.1, 1.0, 9.0]) + 4
    z = rows(50, 2, 3, seed=1)
    mean, deviation = y.mean(0), y.std(0, unbiased=False)
    for text, x in (("standardise(Y)", y), ('"standardise(Z, Y)"', z)):
        found = model_of(STANDARD % text).energy(Y=y, Z=z)
        expected = (z - (x - mean) / deviation).square().flatten(1).sum(1)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_it_needs_no_declaration() -> None:
    declared = STANDARD % '"standardise(Z, Y)"'
    y, z = rows(5, 2, 3), rows(5, 2, 3, seed=1)
    bare = model_of(declared.replace("functions: {standardise: standardise}\n", ""))
    assert torch.equal(bare.energy(Y=y, Z=z), model_of(declared).energy(Y=y, Z=z))


def test_a_unit_that_never_varies_is_zero_and_has_a_finite_gradient() -> None:
    y = rows(5, 2, 3)
    y[:, 1] = 3.0
    y.requires_grad_()
    model = model_of(STANDARD % "standardise(Y)")
    known = model.program.values(("standardise(Y)",), {"Y": y}, model.tensors())["standardise(Y)"]
    assert torch.equal(known[:, 1], torch.zeros(5, 3))
    (gradient,) = torch.autograd.grad(known.square().sum(), y)
    assert gradient.isfinite().all()


@pytest.mark.parametrize(
    ("text", "words"), [('"standardise(Y, Y, Z)"', "one value, or a second"), ('"standardise(Y, W)"', "do not fit")]
)
def test_arguments_that_do_not_go_together_are_told(text: str, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        resolve(
            loads("factorgraph: 1\n" + (STANDARD % text).replace("functions:", "  W: {kind: observed, shape: [5]}\nfunctions:"))
        )


def test_no_search_goes_through_what_couples_the_rows_of_a_batch() -> None:
    with pytest.raises(SpecError) as caught:
        compiler.plan(loads("factorgraph: 1\n" + STANDARD % "Y - standardise(Z)" + SEARCH))
    assert caught.value.issues[0].code == "FG401"
    compiler.plan(loads("factorgraph: 1\n" + STANDARD % "standardise(Y)" + SEARCH))


def test_dependence_through_parts_methods_and_arguments_apart() -> None:
    text = POOLED.replace("kind: observed", "kind: latent") + "  still: {type: squared_distance, between: [X, Y]}\n"
    graph = resolve(loads("factorgraph: 1\n" + text.replace("variables:", "variables:\n  Y: {kind: observed, shape: [6]}")))
    known = dependences(graph, frozenset({"X"}))
    assert {key: each.kind for key, each in known.items() if "(" in key} == dict.fromkeys(
        [key for key in graph.values if "(" in key], Kind.DIFFERENTIABLE
    )
    assert known["pool.unpool(S.what, S.where)"].through == ("pool", "pool", "pool.unpool")
    frames = resolve(loads("factorgraph: 1\n" + FRAMES))
    last = dependences(frames, frozenset({"X[1]"}))["H[2]"]
    assert last.kind is Kind.DIFFERENTIABLE and last.through == ("cell", "cell")
    assert dependences(frames, frozenset({"X[0]"}))["H[2]"].kind is Kind.CONSTANT


NUMBERS = """
variables:
  Y: {kind: observed, shape: []}
  X: {kind: observed, shape: [4]}
functions:
  f: %s
  h: {type: linear, units: 1}
factors:
  r: %s
  all: {type: l1, of: h(X)}
"""


@pytest.mark.parametrize(
    ("function", "factor"),
    [
        ("{type: network, layers: 3fc-fc}", "{type: squared_distance, between: [Y, f(Y)]}"),
        ("{type: network, layers: bn-fc}", "{type: squared_distance, between: [Y, f(Y)]}"),
        ("{type: network, layers: 3fc-fc}", "{type: squared_distance, between: [Y, f(X)]}"),
        ("{type: network, layers: 3fc-fc}", "{type: squared_distance, between: [X, f(3)]}"),
        ("smooth_shrink", "{type: squared_distance, between: [X, f(3)]}"),
        ("smooth_shrink", "{type: squared_distance, between: [X, f(3) + X]}"),
        ("linear", "{type: bias, of: 3}"),
        ("linear", "{type: gaussian, of: 3, precision: full}"),
        ("linear", "{type: gaussian, of: 3, precision: diagonal}"),
    ],
)
def test_numbers_are_evaluated_row_by_row(function: str, factor: str) -> None:
    """Each row costs in a batch what it costs alone, and every row its own."""
    model = model_of(NUMBERS % (function, factor))
    y, x = torch.randn(5, generator=torch.Generator().manual_seed(0)), rows(5, 4)
    found = model.energy(Y=y, X=x)
    alone = torch.cat([model.energy(Y=y[k : k + 1], X=x[k : k + 1]) for k in range(5)])
    assert found.shape == (5,)
    torch.testing.assert_close(found, alone)


def test_a_function_of_a_number_stands_for_equal_units() -> None:
    model = model_of(NUMBERS % ("relu", "{type: squared_distance, between: [X, f(3)]}"))
    x = rows(5, 4)
    shares = model.program.shares(["r"], {"X": x, "Y": x[:, 0]}, model.tensors())
    torch.testing.assert_close(shares["r"], (x - 3).square().sum(1))


@pytest.mark.parametrize(
    "factor",
    [
        "{type: squared_distance, between: [Y, h(X)]}",  # rows would meet rows
        "{type: squared_distance, between: [Y, X]}",
        "{type: squared_distance, between: [X, Y * X]}",
    ],
)
def test_one_number_for_each_sample_is_no_number_that_fits_any_shape(factor: str) -> None:
    with pytest.raises(SpecError) as caught:
        resolve(loads("factorgraph: 1\n" + NUMBERS % ("linear", factor)))
    assert {each.code for each in caught.value.issues} == {"FG320"}


MISSHAPEN = {
    "one number": (lambda x: x.square().mean(), "the shape []"),
    "by unit": (lambda x: x.square(), "the shape [{rows}, 33]"),
    "kept axis": (lambda x: x.square().sum(1, keepdim=True), "the shape [{rows}, 1]"),
    "no tensor": (lambda x: 1.5, "the type float"),
}


@pytest.mark.parametrize("rows", [1, 5, 6])
@pytest.mark.parametrize("kind", MISSHAPEN)
def test_an_energy_of_another_shape_than_its_batch_is_told_with_its_place(kind: str, rows: int, monkeypatch) -> None:
    energy, came = MISSHAPEN[kind]
    monkeypatch.setattr(leaves("factors")["l1"], "energy", lambda self, x: energy(x))
    model = compiler.build(loads(SPARSE, file="sparse.yaml"))
    y, z = torch.ones(rows, 20), torch.ones(rows, 33)
    what = f"FG679: the energy of sparsity, of type l1, has {came.format(rows=rows)}; of {rows} samples it must have [{rows}]"
    what += "\n  --> sparse.yaml:11:19"
    for ask in (lambda: model.energy(Y=y, Z=z), lambda: model.infer(Y=y)):
        with pytest.raises(RunError, match=re.escape(what)), torch.no_grad():
            ask()
    with pytest.raises(RunError, match="FG679"):
        model.energy(Y=y, Z=z)


def test_an_energy_of_another_shape_is_told_where_a_gradient_is_followed(monkeypatch) -> None:
    monkeypatch.setattr(leaves("factors")["squared_distance"], "energy", lambda self, a, b: (a - b).square().mean())
    model = compiler.build(loads(SPARSE))
    with pytest.raises(RunError, match="FG679: the energy of reconstruction, of type squared_distance, has the shape"):
        model.infer(Y=torch.ones(4, 20))
