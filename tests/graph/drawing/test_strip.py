"""A graph in its phases: what each trains, uses as it is, and does not touch."""

from __future__ import annotations

from pathlib import Path

import pytest

from factorgraph import compile as compiler
from factorgraph.compile.strip import strip_of
from factorgraph.errors import SpecError
from factorgraph.graph.drawing import Drawing, Strip, draw, write
from factorgraph.graph.drawing.files import rendered
from factorgraph.graph.resolve import resolve
from factorgraph.spec.load import load, loads

SPEC = """
factorgraph: 1
variables:
  X:     {kind: observed, shape: [16]}
  label: {kind: observed, shape: [3], domain: one_hot, given: training}
  Z:     {kind: latent, shape: [7]}
  H:     tanh(encoder(X))
functions:
  encoder:    {type: linear, activation: shrink}
  decoder:    {type: linear, bias: false, unit_norm: columns}
  classifier: linear
factors:
  reconstruction: {type: squared_distance, between: [X, decoder(Z)]}
  prediction:     {type: squared_distance, between: [Z, H]}
  sparsity:       {type: l1, of: Z, weight: 0.37}
  naming:         {type: cross_entropy, between: [label, classifier(H)]}
inference: {optimal: {method: argmin, of: Z, without: [naming]}}
learning:
  layer:    {loss: energy, without: [naming], steps: 5}
  answers:  {loss: energy, only: [naming], train: [classifier], epochs: 3}
  together: {loss: energy, only: [naming], steps: 0}
"""


def strip(spec: object) -> Strip:
    graph = resolve(spec)  # type: ignore[arg-type]  # a spec
    graphs = {key: resolve(each) for key, each in compiler.phase_specs(graph.spec)}
    return strip_of(graph, compiler.plan(graph.spec, graph), graphs)


def named(drawing: Drawing, state: str) -> set[str]:
    return {node.lines[node.kind == "factor"] for node in drawing.nodes if node.state == state}


def test_each_phase_shows_what_it_trains_and_what_it_does_not_touch() -> None:
    layer, answers, together = strip(loads(SPEC)).drawings
    assert named(layer, "trained") == {"encoder", "decoder"}
    assert named(layer, "unused") == {"label", "classifier", "naming"}
    assert named(answers, "trained") == {"classifier"}
    assert named(answers, "unused") == {"Z", "decoder", "reconstruction", "prediction", "sparsity"}
    assert (layer.title, layer.notes) == ("layer: energy, 5 steps", ("trains decoder, encoder; infers with optimal",))
    assert (answers.title, answers.notes) == ("answers: energy, 3 times through the data", ("trains classifier",))
    assert together.title == "together is left out"


def test_it_is_one_picture_whose_drawings_do_not_mix(tmp_path: Path) -> None:
    drawn = strip(load("lista"))
    names = [node.id for each in drawn.drawings for node in each.nodes]
    assert len(names) == len(set(names))
    text = rendered(drawn, "dot").data.decode()
    assert text.count("subgraph cluster_") == len(drawn.drawings) == 2
    assert text.index("encoders: imitation") < text.index("dictionary: energy")  # laid out from below
    with pytest.raises(SpecError, match="FG260"):
        write(drawn, tmp_path / "phases.mmd")


def test_what_is_too_wide_for_a_picture_of_its_own_is_read_across_in_a_strip() -> None:
    spec = load("psd_hierarchy")
    assert not draw(resolve(spec)).across
    assert all(each.across for each in strip(spec).drawings)
