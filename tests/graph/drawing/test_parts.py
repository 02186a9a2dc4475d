"""A fragment is one box with the lines that leave it; open, its shapes stand in its frame under their own names."""

from __future__ import annotations

from pathlib import Path

import pytest

from factorgraph.errors import SpecError
from factorgraph.graph.drawing import Drawing, check, dot, draw, mermaid
from factorgraph.graph.model import Graph
from factorgraph.graph.resolve import resolve
from factorgraph.spec.load import load, loads

LAYER = """
factorgraph: 1
variables: {Y: {kind: observed}, Z: {kind: latent, shape: [5]}, predicted: encoder(Y)}
functions: {encoder: {type: linear, activation: shrink}, decoder: {type: linear, bias: false}}
factors:
  reconstruction: {type: squared_distance, between: [Y, decoder(Z)]}
  prediction:     {type: squared_distance, between: [Z, predicted]}
"""
PAIR = """
factorgraph: 1
use: {low: {file: layer.yaml, bind: {Y: Y}}, high: {file: layer.yaml, bind: {Y: tanh(low.predicted)}}}
variables: {Y: {kind: observed}, top: high.decoder(high.predicted)}
"""
ABOVE = """
factorgraph: 1
use: {pair: {file: pair.yaml, bind: {Y: 2 * X}}}
variables: {X: {kind: observed, shape: [7]}}
factors: {small: {type: l1, of: pair.top}, near: {type: squared_distance, between: [X, pair.low.decoder(pair.low.Z)]}}
"""
EVERY = ((), ("pair",), ("pair.low",), ("pair.high",), ("pair.low", "pair.high"))


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Graph:
    home = tmp_path_factory.mktemp("drawn")
    for name, text in (("layer.yaml", LAYER), ("pair.yaml", PAIR), ("above.yaml", ABOVE)):
        (home / name).write_text(text)
    return resolve(load(home / "above.yaml"))


def joined(drawing: Drawing) -> set[tuple[str, str, bool]]:
    return {(drawing.by_id[e.tail].lines[0], drawing.by_id[e.head].lines[0], e.arrow) for e in drawing.edges}


def test_a_closed_fragment_is_one_box_with_its_outer_lines(graph: Graph) -> None:
    drawing = draw(graph)
    assert {(node.kind, node.lines[0]) for node in drawing.nodes} == {
        *(("observed", "X"), ("operator", "2 ·"), ("fragment", "pair")),
        *(("factor", "‖pair.top‖₁"), ("factor", "‖X − pair.low.decoder(…)‖²")),
    }
    assert joined(drawing) == {
        *(("X", "2 ·", True), ("2 ·", "pair", True), ("pair", "‖pair.top‖₁", False)),
        *(("X", "‖X − pair.low.decoder(…)‖²", False), ("pair", "‖X − pair.low.decoder(…)‖²", False)),
    }
    assert drawing.frames == ()


def test_an_open_fragment_has_a_frame_with_its_own_names(graph: Graph) -> None:
    drawing = draw(graph, open=["pair.high"])
    assert drawing.frames == ("pair", "pair.high")
    named = {(node.part, node.lines[0]) for node in drawing.nodes}
    assert {("pair", "low"), ("pair", "tanh"), ("pair", "top"), ("pair.high", "Z"), ("pair.high", "encoder")} <= named
    assert {node.lines for node in drawing.nodes if node.kind == "factor" and node.part} == {
        ("‖Y − decoder(Z)‖²", "reconstruction"),
        ("‖Z − predicted‖²", "prediction"),
    }
    assert ("low", "tanh", True) in joined(drawing)
    assert ("tanh", "Y", True) in joined(drawing)


@pytest.mark.parametrize("names", EVERY)
def test_every_choice_can_be_shown(graph: Graph, names: tuple[str, ...]) -> None:
    assert check(draw(graph, open=names)) == []


def test_a_closed_fragment_says_what_is_inferred_in_it_and_how_many_terms_it_has() -> None:
    (first, second) = (node.lines for node in draw(resolve(load("psd_hierarchy"))).nodes if node.kind == "fragment")
    assert (first, second) == (("first", "○ Z", "■ 3 terms"), ("second", "○ Z", "■ 3 terms"))


def test_texts_have_the_frames(graph: Graph) -> None:
    drawing = draw(graph, open=["pair.low"])
    assert 'subgraph cluster_pair {' in dot(drawing)
    assert "subgraph cluster_pair_low {" in dot(drawing)
    lines = [line.strip() for line in mermaid(drawing).splitlines()]
    assert [line for line in lines if line.startswith(("subgraph", "end"))] == [
        *('subgraph frame_pair["pair"]', 'subgraph frame_pair_low["low"]', "end", "end"),
    ]


def test_a_fragment_that_is_all_there_is_to_see_is_open(graph: Graph) -> None:
    text = "factorgraph: 1\nuse: {only: {file: pair.yaml}}\n"
    whole = draw(resolve(loads(text.replace("pair.yaml}", "layer.yaml, with: {variables.Y.shape: [3]}}"), _beside(graph))))
    assert whole.frames == ("only",)
    assert "fragment" not in {node.kind for node in whole.nodes}


def test_a_name_that_no_fragment_has_is_refused(graph: Graph) -> None:
    with pytest.raises(SpecError, match=r'FG209: there is no fragment "pair\.hihg"\. Did you mean "pair\.high"'):
        draw(graph, open=["pair.hihg"])


def test_what_is_like_no_fragment_names_those_that_can_be_opened_nearest_first(graph: Graph) -> None:
    with pytest.raises(SpecError) as caught:
        draw(graph, open=["the_low"])
    (told,) = caught.value.issues
    assert (told.allowed, told.fix) == ("pair.low, pair.high, pair", "open one that is there, such as pair.low")
    assert told.place is not None and told.place.text[told.place.column - 1 :].startswith("use:")
    with pytest.raises(SpecError, match="fix: open nothing: the spec uses no fragment"):
        draw(resolve(load("psd")), open=["low"])


def _beside(graph: Graph) -> str:
    return str(Path(graph.spec.document.file).parent / "other.yaml")
