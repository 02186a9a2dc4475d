"""Pictures can be read: judged by the layout's coordinates; and the judge sees what is wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import import_module
from itertools import combinations

import pytest
import sketches

from factorgraph.graph.drawing import check, draw
from factorgraph.graph.drawing.check import Box, read
from factorgraph.graph.drawing.dot import dot
from factorgraph.graph.drawing.layout import render
from factorgraph.graph.drawing.palette import BORDERS, FAMILIES, FILLS, INK, OBSERVED, TRAINED, luminance
from factorgraph.graph.drawing.picture import Node


@pytest.mark.parametrize("name", sketches.ALL)
def test_every_sketch_can_be_shown(name):
    assert check(sketches.ALL[name]()) == []


@pytest.mark.parametrize("seed", range(12))
def test_chance_graphs_can_be_shown(seed):
    found = check(sketches.chance(seed))
    assert [each for each in found if "smallest text" not in each] == []


def laid_out(change) -> list[str]:
    """What is wrong with the PSD's picture after its layout was changed."""
    drawing = draw(sketches.psd())
    report = json.loads(render(dot(drawing), "json").data)
    change(report, {each["name"]: each for each in report["objects"]})
    module = import_module("factorgraph.graph.drawing.check")
    found = module.read(json.dumps(report).encode())
    parts = (module._missing(drawing, found), module._covered(found), module._crossed(found), module._small(found))
    return [sentence for part in parts for sentence in part]


def test_the_judge_is_content_with_the_layout_as_it_is():
    assert laid_out(lambda report, nodes: None) == []


def test_a_node_over_another_is_seen():
    def change(report, nodes):
        nodes["latent_Z"]["pos"] = nodes["observed_Y"]["pos"]

    assert {"latent_Z lies over observed_Y", "observed_Y lies over latent_Z"} & set(laid_out(change))


def test_a_text_over_another_is_seen():
    def change(report, nodes):
        for op in report["_ldraw_"]:
            if op["op"] == "T":
                op["pt"] = [float(each) for each in nodes["function_encoder_forward_Y"]["pos"].split(",")]

    assert any("the text" in each and "lies over" in each for each in laid_out(change))


def test_a_line_through_a_node_is_seen():
    def change(report, nodes):
        x, y = (float(each) for each in nodes["latent_Z"]["pos"].split(","))
        points = [[x - 90, y], [x - 30, y], [x + 30, y], [x + 90, y]]
        edge = next(each for each in report["edges"] if report["objects"][each["head"]]["name"] == "function_encoder_forward_Y")
        edge["_draw_"] = [{"op": "b", "points": points}]

    assert any("runs through latent_Z" in each for each in laid_out(change))


def test_a_node_that_is_missing_and_one_too_many_are_seen():
    def change(report, nodes):
        nodes["latent_Z"]["name"] = "observed_Y"

    assert {"latent_Z is drawn 0 times", "observed_Y is drawn 2 times"} <= set(laid_out(change))


def test_small_text_is_seen():
    def change(report, nodes):
        report["bb"] = f"0,0,{13.33 * 72 * 1.4},300"  # 12 points become 8.6

    assert [each for each in laid_out(change) if "8.6 points" in each]


def test_a_text_that_is_not_the_node_s_is_seen():
    def change(report, nodes):
        next(op for op in nodes["latent_Z"]["_ldraw_"] if op["op"] == "T")["text"] = "W"

    assert "latent_Z does not show its text 'Z'" in laid_out(change)


def test_a_touch_is_no_cover_and_corners_of_a_circle_are_free():
    assert not Box(0, 0, 10, 10).meets(Box(10, 0, 20, 10))
    assert Box(0, 0, 10, 10).meets(Box(7, 7, 20, 20))
    assert Box(0, 0, 10, 10).holds(1.5, 1.5)
    assert not Box(0, 0, 10, 10, is_round=True).holds(1.5, 1.5)


def test_shapes_and_families_differ_in_grey():
    assert luminance("white") - luminance(OBSERVED) > 0.15
    assert luminance(OBSERVED) - luminance(INK) > 0.5
    assert min(luminance(fill) for fill in FILLS) - luminance(INK) > 0.45, "black text is readable on every fill"
    assert len(set(FAMILIES)) == len(FILLS) * len(BORDERS)
    assert TRAINED not in FILLS, "what is shared does not look as if it learned"
    for one, other in combinations(FAMILIES[:7], 2):
        assert one.border != other.border or abs(luminance(one.fill) - luminance(other.fill)) > 0.08


def test_families_that_look_alike_in_grey_are_seen():
    drawing = draw(sketches.frames())
    far = len(FAMILIES)  # so far on, the looks begin again
    alike = tuple(Node(n.id, n.kind, ("f",), far * (n.family or 0)) if n.kind == "function" else n for n in drawing.nodes)
    assert any("look alike in grey" in each for each in check(replace(drawing, nodes=alike)))


def test_the_observed_stand_left_and_the_latent_right():
    found = read(render(dot(draw(sketches.frames())), "json").data)
    boxes = dict(found.boxes)
    left = max(box.right for name, box in boxes.items() if name.startswith("observed"))
    right = min(box.left for name, box in boxes.items() if name.startswith("latent"))
    functions = [box for name, box in boxes.items() if name.startswith("function")]
    assert functions and all(left < box.left and box.right < right for box in functions)
    order = [boxes[f"observed_X_{t}"].bottom for t in range(3)]
    assert order == sorted(order, reverse=True), "the first frame stands on top"
