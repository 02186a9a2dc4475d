"""A procedure as a picture: read back shape by shape and line by line, the picture computes what the procedure computes."""

from __future__ import annotations

from collections.abc import Mapping

import networkx
import pytest
import torch
from torch import Tensor

from factorgraph import compile as compiler
from factorgraph.compile.unfolded import network_of
from factorgraph.errors import SpecError
from factorgraph.graph.drawing import Drawing, check, draw
from factorgraph.graph.resolve import resolve
from factorgraph.spec.load import load, loads

SPEC = """
factorgraph: 1
variables:
  Y: {kind: observed, shape: [5]}
  Z: {kind: latent, shape: [7], domain: real}
functions:
  decoder: {type: linear, bias: false}
  guess:   {type: linear}
factors:
  reconstruction: {type: squared_distance, between: [Y, decoder(Z)], weight: 0.37}
  sparsity:       {type: l1, of: Z, weight: 0.21}
inference:
  network: {method: unrolled, of: Z, solver: ista, steps: 4}
learning:
  fit: {loss: energy, steps: 1}
data: {source: natural_patches, size: 3, count: 10, bind: {Y: image}}
"""
DOUBLE = {"dtype": torch.float64}


def drawn(text: str, unfold: bool = True, procedure: str = "network") -> Drawing:
    spec = loads(text)
    graph = resolve(spec)
    return network_of(graph, compiler.plan(spec, graph), procedure, unfold)


def read(drawing: Drawing, sources: Mapping[str, Tensor], own: Mapping[str, Tensor], momenta: Mapping[int, float]) -> Tensor:
    """What the picture's arrows lead to at Z, from its shapes' first lines alone. ``momenta``: of steps."""
    net = networkx.DiGraph((each.tail, each.head) for each in drawing.edges if each.arrow)
    known: dict[str, Tensor] = {}
    least = own["threshold"]
    for name in networkx.topological_sort(net):
        node, step = drawing.by_id[name], int(name.rpartition("_")[2]) if name.startswith("network") else 0
        given = [known[edge.tail] for edge in drawing.edges if edge.arrow and edge.head == name and edge.tail in known]
        word = node.lines[0].rstrip("₀₁₂₃₄₅₆₇₈₉")
        if node.kind == "observed":
            known[name] = sources[word]
        elif word in ("filter", "inhibition"):
            known[name] = given[0] @ own[word].T + (own["bias"] if word == "filter" else 0)
        elif word == "+":
            known[name] = sum(given)  # type: ignore[assignment]  # of tensors
        elif word == "shrink":
            moved = given[0].sign() * (given[0].abs() - least).clamp_min(0)
            known[name] = moved.clamp_min(0) if "≥ 0" in node.lines[1] else moved
        elif word == "momentum":
            known[name] = given[1] + momenta[step] * (given[1] - given[0])
        elif word == "one unit: the farthest":
            before = given[1] if len(given) > 1 else torch.zeros_like(given[0])
            moves = given[0] - before
            unit = (moves.square() / own["lengths"]).argmax(1, keepdim=True)
            known[name] = before.scatter_add(1, unit, moves.gather(1, unit))
        elif word == "guess":
            known[name] = given[0] @ own["guess"].T + own["shift"]
        elif word == "≥ 0":
            known[name] = given[0].clamp_min(0)
        elif node.kind in ("derived", "latent"):
            (known[name],) = given
            if word == "Z":
                return known[name]
    raise AssertionError("no arrow leads to Z")


@pytest.mark.parametrize("steps", [1, 4])
@pytest.mark.parametrize(
    ("solver", "domain"),
    [
        ("ista", "real"),
        ("ista", "nonnegative"),
        ("{type: fista, restart: false}", "real"),
        ("coordinate_descent", "real"),
    ],
)
@pytest.mark.parametrize("start", ["", ", start: guess(Y)"])
def test_the_picture_computes_what_the_procedure_computes(solver, domain, start, steps):
    text = SPEC.replace("solver: ista, steps: 4", f"solver: {solver}, steps: {steps}{start}")
    text = text.replace("domain: real", f"domain: {domain}")
    model = compiler.build(loads(text)).double()
    network = model.inferences["network"].network
    assert network is not None
    own = network.own(("filter", "inhibition", "threshold"), torch.zeros(1, **DOUBLE), model.in_use())
    guess = model.tensors().get("functions.guess", {})
    own |= {"guess": guess["matrix"].detach(), "shift": guess["bias"].detach()} if guess else {}
    y = torch.linspace(-2, 3, 15, **DOUBLE).reshape(3, 5)
    ages = [1.0]
    for _ in range(steps):
        ages.append((1 + (1 + 4 * ages[-1] ** 2) ** 0.5) / 2)
    momenta = {k + 2: (ages[k] - 1) / ages[k + 1] for k in range(steps)}  # at step k + 2 what step k + 1 left is carried on
    found = read(drawn(text), {"Y": y}, own, momenta)
    wanted = model.infer("network", Y=y)["Z"]
    assert wanted.abs().sum() > 1
    torch.testing.assert_close(found, wanted.detach(), rtol=1e-9, atol=1e-9)


def test_of_many_steps_the_first_two_and_the_last_are_drawn():
    drawing = drawn(SPEC.replace("steps: 4", "steps: 30"))
    names = [node.lines[0] for node in drawing.nodes]
    assert names.count("shrink") == 3 and "⋯ 3 to 29 ⋯" in names and "Z (2)" in names and "Z (3)" not in names
    assert drawing.notes == ("network: 30 steps of ista, from zero",)
    chosen = drawn(SPEC.replace("ista, steps: 4", "coordinate_descent, steps: 5"))  # with the last shrinkage these are six
    assert [node.lines[0] for node in chosen.nodes].count("shrink") == 3


def test_as_a_loop_every_part_stands_there_once():
    drawing = drawn(SPEC, unfold=False)
    arrows = {(drawing.by_id[e.tail].lines[0], drawing.by_id[e.head].lines[0]) for e in drawing.edges if e.arrow}
    loop = {("Y", "filter"), ("filter", "+"), ("Z", "inhibition"), ("inhibition", "+"), ("+", "shrink"), ("shrink", "Z")}
    assert arrows == loop | {("Z", "decoder")}
    assert len(drawing.nodes) == len(draw(resolve(loads(SPEC))).nodes) + 4
    assert {node.lines[0] for node in drawing.nodes if node.part == "a step"} == {"inhibition", "+", "shrink"}


def test_shapes_say_what_is_learned_and_what_is_shared():
    freed = "steps: 4, free: {filter: {}, inhibition: {keep: 0.2}}"
    shared = drawn(SPEC.replace("steps: 4", freed))
    lines = {node.lines for node in shared.nodes if node.kind == "function"}
    assert {("filter", "7×5, learned"), ("inhibition", "7×7, learned, 20% kept"), ("shrink", "threshold, of the energy")} <= lines
    boxes = [node for node in shared.nodes if node.lines[0] in ("inhibition", "shrink")]
    assert {node.lines[0]: node.family for node in boxes} == {"inhibition": 1, "shrink": 2}
    apart = drawn(SPEC.replace("steps: 4", freed + ", share: none"))
    names = [node.lines[0] for node in apart.nodes if node.kind == "function" and node.family is None]
    assert {"filter₁", "filter₄", "inhibition₂", "inhibition₄"} <= set(names) and "inhibition₁" not in names


@pytest.mark.parametrize(("name", "procedure"), [("lista", "lista[1]"), ("drsae", "recurrent"), ("lcod", "lcod[0]")])
@pytest.mark.parametrize("unfold", [True, False])
def test_networks_of_shipped_specs_can_be_shown(name, procedure, unfold):
    graph = resolve(load(name))
    drawing = network_of(graph, compiler.plan(graph.spec, graph), procedure, unfold)
    assert check(drawing) == []


def test_what_is_not_unrolled_has_no_such_picture():
    with pytest.raises(SpecError, match="FG266") as told:
        drawn(SPEC, procedure="other")
    (found,) = told.value.issues
    assert found.allowed == "network" and found.place is not None and found.place.text.startswith("inference:")
