"""Which shapes and lines a graph gets: read back from the drawing, they are the graph."""

from __future__ import annotations

import pytest
import sketches
from sketches import Sketch

from factorgraph.graph.drawing import Drawing, draw
from factorgraph.graph.model import Application


def lines(drawing: Drawing, kind: str) -> list[tuple[str, ...]]:
    return [node.lines for node in drawing.nodes if node.kind == kind]


def joined(drawing: Drawing) -> set[tuple[str, str, bool]]:
    """(first line of one end, first line of the other, whether an arrow)."""
    return {(drawing.by_id[e.tail].lines[0], drawing.by_id[e.head].lines[0], e.arrow) for e in drawing.edges}


def test_psd_is_the_lecture_s_picture():
    drawing = draw(sketches.psd())
    assert drawing.title == "Predictive Sparse Decomposition on natural patches"
    assert lines(drawing, "observed") == [("Y", "144")]
    assert lines(drawing, "latent") == [("Z", "256")]
    assert lines(drawing, "function") == [("decoder", "linear"), ("encoder", "linear, shrink")]
    assert lines(drawing, "factor") == [
        ("‖Y − decoder(Z)‖²", "reconstruction"),
        ("‖Z − encoder(Y)‖²", "prediction"),
        ("‖Z‖₁", "sparsity"),
    ]
    assert joined(drawing) == {
        ("Z", "decoder", True),
        ("Y", "encoder", True),
        ("Y", "‖Y − decoder(Z)‖²", False),
        ("decoder", "‖Y − decoder(Z)‖²", False),
        ("Z", "‖Z − encoder(Y)‖²", False),
        ("encoder", "‖Z − encoder(Y)‖²", False),
        ("Z", "‖Z‖₁", False),
    }


def test_the_decoder_points_back_to_the_data_and_the_encoder_away():
    drawing = draw(sketches.psd())
    backward = {(drawing.by_id[e.tail].lines[0], drawing.by_id[e.head].lines[0]) for e in drawing.edges if e.backward}
    assert backward == {("Z", "decoder"), ("decoder", "‖Y − decoder(Z)‖²"), ("Z", "‖Z − encoder(Y)‖²")}


def test_an_autoencoder_turns_round_at_its_code():
    drawing = draw(sketches.autoencoder())
    ways = {drawing.by_id[e.head].lines[0]: e.backward for e in drawing.edges if e.arrow}
    assert ways == {"encoder": False, "H": False, "decoder": True}


def test_a_weight_stands_before_its_formula_unless_it_is_one():
    sketch = Sketch("weights").variable("Z", "latent", 5)
    for name, weight in {"a": 0.37, "b": 1.0, "c": 0.0, "d": 1e-7, "e": 12.5}.items():
        sketch.factor(name, "l1", "Z", weight=weight)
    texts = [text for text, _ in lines(draw(sketch.graph()), "factor")]
    assert texts == ["0.37 · ‖Z‖₁", "‖Z‖₁", "0 · ‖Z‖₁", "1e−07 · ‖Z‖₁", "12.5 · ‖Z‖₁"]


def test_functions_that_share_parameters_have_one_family_and_no_others_do():
    drawing = draw(sketches.frames())
    families = {node.lines[0]: set() for node in drawing.nodes if node.kind == "function"}
    for node in drawing.nodes:
        if node.kind == "function":
            families[node.lines[0]].add(node.family)
    assert families == {"decoder": {0}, "encoder": {1}}
    assert {node.family for node in draw(sketches.psd()).nodes} == {None}


def test_a_transpose_shares_with_its_function_and_says_so():
    shared = [(node.lines, node.family) for node in draw(sketches.tied()).nodes if node.kind == "function"]
    assert shared == [(("W", "linear"), 0), (("Wᵀ", "linear"), 0)]


def test_a_function_without_parameters_shares_nothing():
    sketch = Sketch("relu").variable("Y", "observed", 5).variable("Z", "latent", 5).function("relu", "relu", 5, learns=False)
    graph = sketch.factor("f", "squared_distance", "relu(Y)", "relu(Z)").graph()
    assert [(n.lines, n.family) for n in draw(graph).nodes if n.kind == "function"] == [(("relu",), None), (("relu",), None)]


def test_a_function_of_its_own_result_is_two_boxes():
    sketch = Sketch("twice").variable("Y", "observed", 5).function("f", "linear relu gain", 5)
    drawing = draw(sketch.factor("few", "l1", "f(f(Y))").graph())
    assert lines(drawing, "function") == [("f", "linear, relu, gain")] * 2
    assert lines(drawing, "factor") == [("‖f(f(Y))‖₁", "few")]


def test_an_expression_of_one_factor_is_written_in_it():
    drawing = draw(sketches.frames())
    assert lines(drawing, "operator") == []
    assert ("Z₀", "1.25 · ‖Z₁ − Z₀‖₁", False) in joined(drawing)
    assert ("Z₁", "1.25 · ‖Z₁ − Z₀‖₁", False) in joined(drawing)


def test_an_expression_that_others_read_has_a_sign():
    sketch = Sketch("signs").variable("A", "observed", 5).variable("B", "latent", 5).function("f", "linear", 5)
    sketch.factor("one", "l1", "f(A + B)").factor("two", "l1", "f(A - B)").factor("three", "l1", "f(0.5 * B)")
    drawing = draw(sketch.factor("four", "l1", "f(-A)").graph())
    assert lines(drawing, "operator") == [("+",), ("A − B",), ("0.5 ·",), ("−",)]
    assert lines(drawing, "constant") == []


def test_a_folded_difference_keeps_its_brackets():
    sketch = Sketch("brackets").variable("A", "observed", 5).variable("B", "latent", 5)
    sketch.factor("f", "squared_distance", "A", "B - A").factor("g", "product", "A + B", "B").factor("h", "l1", "A - (B - A)")
    texts = [text for text, _ in lines(draw(sketch.graph()), "factor")]
    assert texts == ["‖A − (B − A)‖²", "−(A + B)ᵀB", "‖A − (B − A)‖₁"]


def test_nothing_is_put_out_that_is_shorter_than_the_dots_and_no_bracket_is_needless():
    sketch = Sketch("short").variable("X", "observed", 5).variable("S", "latent", 5).variable("D", "latent", 5)
    sketch = sketch.function("dictionary", "linear", 5).function("base", "linear", 5)
    sketch = sketch.factor("f", "squared_distance", "X", "dictionary(S) + base(D)")
    sketch.factor("g", "squared_distance", "S + D", "X").factor("h", "squared_distance", "X", "S * D")
    sketch.factor("i", "squared_distance", "X", "S + (D - X)").factor("j", "product", "S * D", "X")
    texts = [text for text, _ in lines(draw(sketch.graph()), "factor")]
    wanted = ["‖X − dictionary(S) − base(D)‖²", "‖S + D − X‖²", "‖X − S · D‖²", "‖X − S − (D − X)‖²", "−(S · D)ᵀX"]
    assert texts == wanted


def test_a_long_argument_keeps_its_outermost_function():
    sketch = Sketch("long").variable("observation", "observed", 5).function("transformation", "linear", 5)
    drawing = draw(sketch.factor("f", "cost", "transformation(transformation(observation))", "observation").graph())
    assert lines(drawing, "factor") == [("cost(transformation(…), observation)", "f")]


def test_parts_of_a_result_and_other_maps_are_named():
    drawing = draw(sketches.what_where())
    assert ("pool.unpool", "what_where") in lines(drawing, "function")
    assert lines(drawing, "operator").count((".where",)) == 3
    assert ("pool", ".what", True) in joined(drawing)
    assert ("where₂", "pool.unpool", True) in joined(drawing)


def test_what_only_a_procedure_reads_is_not_drawn():
    sketch = Sketch("apart").variable("Y", "observed", 5).variable("Z", "latent", 5).function("start", "linear", 5)
    sketch.factor("f", "squared_distance", "Y", "Z").value("start(Y)")
    assert lines(draw(sketch.graph()), "function") == []


@pytest.mark.parametrize("seed", range(40))
def test_every_value_and_factor_is_drawn_once_and_joined_to_what_it_reads(seed):
    graph = sketches.chance(seed)
    drawing = draw(graph)
    assert len(drawing.by_id) == len(drawing.nodes)
    assert sum(node.kind == "factor" for node in drawing.nodes) == len(graph.factors)
    assert sum(node.kind in ("observed", "latent", "noise", "derived") for node in drawing.nodes) == len(graph.variables)
    read = frozenset().union(*(graph.ancestors(key) for each in graph.factors.values() for key in each.arguments))
    needed = read.union(*(graph.ancestors(key) for key in graph.variables))
    heads = [v for k, v in graph.values.items() if k in needed and isinstance(v, Application) and "activation" not in v.function]
    assert sum(node.kind == "function" for node in drawing.nodes) == len(heads)
    touched = {edge.head for edge in drawing.edges}
    assert all(node.id in touched for node in drawing.nodes if node.kind in ("factor", "function", "derived"))


def test_a_picture_is_drawn_downwards_only_where_it_would_be_too_wide():
    assert all(draw(sketches.ALL[name]()).across for name in ("psd", "frames", "stack"))
    assert not draw(sketches.what_where()).across
