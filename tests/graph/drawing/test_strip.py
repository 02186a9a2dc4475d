"""A graph in its phases: what each trains, uses as it is, and does not touch."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from factorgraph import compile as compiler
from factorgraph.compile.strip import strip_of
from factorgraph.errors import SpecError
from factorgraph.graph.drawing import Drawing, Strip, draw, write
from factorgraph.graph.drawing.check import read
from factorgraph.graph.drawing.dot import strip as text_of
from factorgraph.graph.drawing.files import rendered
from factorgraph.graph.drawing.layout import render
from factorgraph.graph.drawing.palette import FAINT, PALE
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


def strip(spec: object, open: tuple[str, ...] = ()) -> Strip:
    graph = resolve(spec)  # type: ignore[arg-type]  # a spec
    return strip_of(graph, compiler.plan(graph.spec, graph), open)


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


def test_what_a_loss_puts_in_the_place_of_data_is_used_and_what_makes_it_is_trained() -> None:
    (game,) = strip(load("gan")).drawings
    assert named(game, "trained") == {"critic", "generator"}
    assert {"N", "fake", "realism"}.isdisjoint(named(game, "unused")) and "doubt" in named(game, "unused")


STUDENT = """
factorgraph: 1
variables: {X: {kind: observed, shape: [16]}, Z: {kind: latent, shape: [7]}}
functions: {decoder: {type: linear, bias: false}, quick: {type: linear, activation: tanh}}
factors: {near: {type: squared_distance, between: [X, decoder(Z)]}, sparsity: {type: l1, of: Z}}
inference: {optimal: {method: argmin, of: Z}, fast: {method: amortized, of: Z, by: quick(X)}}
learning:
  layer:   {loss: energy, train: [decoder], inference: optimal, steps: 5}
  student: {loss: {type: imitation, teacher: optimal, student: fast}, steps: 5}
"""


def test_what_only_a_procedure_reads_is_drawn_in_the_phases() -> None:
    layer, student = strip(loads(STUDENT)).drawings
    assert named(student, "trained") == {"quick"} and "quick" in named(layer, "unused")
    (box,) = (node.id for node in student.nodes if node.lines == ("quick", "linear, tanh"))
    touched = [each for each in student.edges if box in (each.tail, each.head)]
    lines = [(student.by_id[each.tail].of, student.by_id[each.head].of) for each in touched]
    assert [lines[0][0], lines[1][1]] == ["X", "Z"] and len(lines) == 2


def test_what_is_observed_stays_grey_where_a_phase_does_not_use_it() -> None:
    text = text_of(strip(loads(SPEC)))
    label = next(line for line in text.splitlines() if "p0_observed_label " in line)
    assert PALE in label and FAINT in label and "fillcolor=white" not in label


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


@pytest.mark.parametrize(("name", "open"), [("pedestrian_convnet", ()), ("psd_hierarchy", ("second",)), ("drsae", ())])
def test_every_drawing_stays_in_its_frame(name: str, open: tuple[str, ...]) -> None:
    found = json.loads(render(text_of(strip(load(name), open)), "json").data)
    frames = {each["name"]: [float(at) for at in each["bb"].split(",")] for each in found["objects"] if "bb" in each}
    laid = read(json.dumps(found).encode())
    for node, box in laid.boxes:
        left, bottom, right, top = frames[f"cluster_{node.partition('_')[0]}_"]
        assert left < box.left < box.right < right, node
        assert bottom < box.bottom < box.top < top, node
    for tail, _, points in laid.curves:
        left, bottom, right, top = frames[f"cluster_{tail.partition('_')[0]}_"]
        assert all(left < x < right and bottom < y < top for x, y in points), tail
    assert len(laid.boxes) > len(frames) > 1


def test_a_variable_says_when_it_is_known_and_what_it_stands_for() -> None:
    lines = {node.of: node.lines for node in draw(resolve(loads(SPEC))).nodes}
    assert lines["label"] == ("label", "1 of 3", "in training only")
    assert lines["X"] == ("X", "16")
    assert [node.lines[-1] for node in draw(resolve(load("gan"))).nodes if node.of == "fake"] == ["for Y"]
