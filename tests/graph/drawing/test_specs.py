"""Specs through the real loader: every shipped one, and graphs with indices, recursion and expressions."""

from __future__ import annotations

from pathlib import Path

import pytest

from factorgraph.errors import SpecError
from factorgraph.graph.drawing import check, draw
from factorgraph.graph.drawing.words import formula
from factorgraph.graph.resolve import resolve
from factorgraph.spec.load import load, loads

SPECS = Path(__file__).parents[3] / "specs"
SHIPPED = sorted(each.relative_to(SPECS).as_posix() for each in SPECS.rglob("*.yaml"))
SHIPPED = [name for name in SHIPPED if not name.startswith(("drafts/", "fragments/"))]

SLOW = """
factorgraph: 1
title: Slow features
indices: {t: 3}
variables:
  X: {kind: observed, per: t, shape: [144]}
  Z: {kind: latent, per: t, shape: [64]}
functions:
  decoder: {type: linear, bias: false}
  encoder: {type: linear, activation: shrink}
factors:
  reconstruction: {type: squared_distance, between: ["X[t]", "decoder(Z[t])"]}
  prediction: {type: squared_distance, between: ["Z[t]", "encoder(X[t])"], weight: 0.37}
  slowness: {type: l1, of: "Z[t] - Z[t-1]", weight: 1.25}
"""
TIED = """
factorgraph: 1
variables:
  Y: {kind: observed, shape: [30]}
  H: {is: relu(W(Y))}
functions:
  W: {type: linear, units: 7, gain: true}
factors:
  reconstruction: {type: squared_distance, between: [Y, W.transpose(H)]}
  few: {type: l1, of: H, weight: 0.1}
"""


@pytest.mark.parametrize("file", SHIPPED)
def test_every_shipped_spec_can_be_shown(file):
    assert check(resolve(load(str(SPECS / file)))) == []


def test_every_draft_that_loads_can_be_shown():
    """A draft waits for leaves that do not exist yet; the day that it loads, it is drawn."""
    wrong: dict[str, list[str]] = {}
    for file in sorted((SPECS / "drafts").rglob("*.yaml")):
        try:
            graph = resolve(load(str(file)))
        except SpecError as reason:
            assert "FG205" in {each.code for each in reason.issues}, f"{file.name} is refused for a mistake: {reason}"
            continue
        if found := check(graph):
            wrong[file.name] = found
    assert wrong == {}


def test_the_shipped_psd_is_the_sketch():
    nodes = draw(resolve(load(str(SPECS / "psd.yaml")))).nodes
    functions = [node.lines for node in nodes if node.kind == "function"]
    assert functions == [("decoder", "linear"), ("encoder", "linear, shrink")]
    factors = [node.lines[0] for node in nodes if node.kind == "factor"]
    assert factors == ["‖Y − decoder(Z)‖²", "‖Z − encoder(Y)‖²", "3 · ‖Z‖₁"]


def test_an_unrolled_spec_shares_and_folds():
    drawing = draw(resolve(loads(SLOW)))
    assert [node.lines[0] for node in drawing.nodes if node.kind == "observed"] == ["X₀", "X₁", "X₂"]
    assert {node.lines: node.family for node in drawing.nodes if node.kind == "function"} == {
        ("decoder", "linear"): 0,
        ("encoder", "linear, shrink"): 1,
    }
    assert {"1.25 · ‖Z₁ − Z₀‖₁", "1.25 · ‖Z₂ − Z₁‖₁"} <= {node.lines[0] for node in drawing.nodes}
    assert check(drawing) == []


def test_a_tied_spec_shares_its_colour():
    drawing = draw(resolve(loads(TIED)))
    boxes = {node.lines[0]: node.family for node in drawing.nodes if node.kind == "function"}
    assert boxes == {"W": 0, "relu": None, "Wᵀ": 0}
    assert check(drawing) == []


def test_joined_values_hold_together_beside_a_sign_and_need_no_brackets_inside_a_function():
    graph = resolve(
        loads("""
factorgraph: 1
indices: {t: 2}
variables:
  A: {kind: observed, per: t, shape: [4]}
  Z: {kind: latent, shape: [7]}
  C: {kind: latent, shape: [3]}
functions: {W: linear}
factors:
  one: {type: squared_distance, between: [Z, "join(A[0], C)"]}
  two: {type: squared_distance, between: [Z, "sum(join(A, C), t)"]}
  three: {type: l1, of: "join(A[0], C) + W(A[0], C)"}
  four: {type: l1, of: "join(A[0], C)"}
""")
    )
    assert [formula(graph, each) for each in graph.factors.values()] == [
        "‖Z − (A₀, C)‖²",
        "‖Z − Σ((A₀, C), (A₁, C))‖²",
        "‖(A₀, C) + W(A₀, C)‖₁",
        "‖A₀, C‖₁",
    ]
