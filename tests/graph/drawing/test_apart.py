"""Two graphs in one picture: every shape once, states told by words and lines as well as by colour."""

from __future__ import annotations

import re

import pytest

from factorgraph.graph.differences import diff
from factorgraph.graph.drawing import Drawing, check, dot
from factorgraph.graph.drawing.apart import drawn_apart
from factorgraph.graph.resolve import resolve
from factorgraph.spec.load import load
from factorgraph.spec.schema import Spec


def apart(before: Spec, after: Spec) -> Drawing:
    return drawn_apart(resolve(before), resolve(after), diff(before, after), "one → other")


def states(drawing: Drawing) -> dict[str, str]:
    return {each.of: each.state for each in drawing.nodes}


PSD = load("psd")
CHANGES = {"factors.sparsity.weight": 2, "functions.encoder.activation": "tanh", "variables.Z.domain": "nonnegative"}


def test_what_only_one_has_and_what_differs() -> None:
    drawing = apart(PSD, load("sparse_coding"))
    assert states(drawing) == {
        "Y": "", "Z": "", "decoder(Z)": "", "encoder.linear(Y)": "removed", "factor reconstruction": "", "factor sparsity": "",
        "factor prediction": "removed",
    }  # fmt: skip
    assert sum(each.state == "removed" for each in drawing.edges) == 3
    back = apart(load("sparse_coding"), PSD)
    assert states(back)["encoder.linear(Y)"] == states(back)["factor prediction"] == "added"
    assert {each.state for each in back.edges} == {"", "added"}


def test_what_is_changed_says_how() -> None:
    drawing = apart(PSD, PSD.with_changes(CHANGES, "a test"))
    said = {each.of: each.lines for each in drawing.nodes if each.state == "changed"}
    assert said["factor sparsity"][-1] == "weight: 3.0 → 2.0"
    assert said["encoder.linear(Y)"][-1] == "activation: shrink → tanh"
    assert said["Z"][-1] == "domain: real → nonnegative"
    assert len(said) == 3


def test_equal_graphs_are_drawn_as_one_without_a_word() -> None:
    drawing = apart(PSD, PSD)
    assert {each.state for each in (*drawing.nodes, *drawing.edges)} == {""} and drawing.notes == ()
    assert "added" not in dot(drawing)


def test_each_state_has_a_line_of_its_own_a_word_and_a_place_in_the_key() -> None:
    """Without colour: what is added is thick, what is removed dashed, what is changed dotted; words say it too."""
    text = dot(apart(PSD.with_changes({"factors.sparsity.weight": 2}, "a test"), load("sparse_coding")))
    back = dot(apart(load("sparse_coding"), PSD))
    grey = re.sub(r'#[0-9a-f]{6}', "#777777", text)
    assert re.search(r'encoder.*removed.*style="filled,rounded,dashed"', grey)
    assert '<table border="2" style="dashed"' in grey and '<table border="2" style="dotted"' in grey
    assert re.search(r"added.*penwidth=3\.4", back) and '<table border="3"' in back
    for key in ("orange, dashed line: removed", "yellow, dotted line: changed"):
        assert key in text
    assert "green, thick line: added" in back and "dotted" not in back


def test_what_is_not_drawn_is_a_note() -> None:
    (note,) = apart(PSD, PSD.budget("smoke")).notes
    assert note.startswith("not drawn: changed inference.optimal.steps 100 → 20; changed learning.warm.steps 500 → 10; ")
    assert note.endswith("; and 1 more")


def test_fragments_are_open_where_something_differs_in_them() -> None:
    spec = load("psd_hierarchy")
    drawing = apart(spec, load("psd_hierarchy", ["first.factors.sparsity.weight=2"]))
    kinds = {each.of: each.kind for each in drawing.nodes}
    assert kinds["first.Z"] == "latent" and kinds["second"] == "fragment"
    assert {of for of, state in states(drawing).items() if state} == {"factor first.sparsity"}


@pytest.mark.parametrize(
    ("before", "after"), [("psd", "sparse_coding"), ("drsae", "lista"), ("gan", "toy/likelihood"), ("lista", "lista@wide")]
)
def test_the_picture_is_readable(before: str, after: str) -> None:
    assert check(apart(load(before), load(after))) == []
