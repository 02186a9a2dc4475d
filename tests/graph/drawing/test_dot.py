"""The DOT text is golden, and a pure function of the graph."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import sketches

from factorgraph.graph.drawing import Drawing, Edge, Node, dot, draw, mermaid

GOLDEN = Path(__file__).parents[2] / "golden" / "drawing"


def compare(file: Path, text: str) -> None:
    if os.environ.get("FACTORGRAPH_GOLDEN"):
        file.write_text(text, encoding="utf-8")
    assert file.is_file(), f"{file.name} is missing: run the tests once with FACTORGRAPH_GOLDEN=1 and read the new file"
    assert text == file.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sketches.ALL)
def test_dot_is_golden(name):
    compare(GOLDEN / f"{name}.dot", dot(draw(sketches.ALL[name]())))


@pytest.mark.parametrize("name", ["psd", "frames", "gan"])
def test_mermaid_is_golden(name):
    compare(GOLDEN / f"{name}.mmd", mermaid(draw(sketches.ALL[name]())))


def test_no_golden_file_is_without_its_sketch():
    assert {each.stem for each in GOLDEN.glob("*.dot")} == set(sketches.ALL)


def test_notes_stand_in_the_heading_escaped():
    text = dot(draw(sketches.psd(), notes=["optimal: FISTA, for l1 < 2 & more"]))
    assert "optimal: FISTA, for l1 &lt; 2 &amp; more" in text


def test_two_arrows_there_and_back_are_one_line():
    nodes = (Node("a", "latent", ("A",)), Node("b", "operator", ("+",)))
    drawing = Drawing("loop", nodes, (Edge("b", "a", arrow=True), Edge("a", "b", arrow=True, backward=True)))
    lines = [line for line in dot(drawing).splitlines() if "->" in line]
    assert lines == ["\tb -> a [dir=both]"]
