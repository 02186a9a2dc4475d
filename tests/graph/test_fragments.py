"""A fragment's graph is that of its entries copied by hand, under its name: the same shapes, energies and answers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from factorgraph import compile as compiler
from factorgraph.errors import SpecError
from factorgraph.graph.resolve import resolve
from factorgraph.spec.load import load, loads

LAYER = """
factorgraph: 1
dims: {units: 5, scale: 0.5}
variables:
  Y: {kind: observed}
  Z: {kind: latent}
  predicted: encoder(Y)
functions:
  encoder: {type: linear, units: units, activation: shrink}
  decoder: {type: linear, bias: false}
factors:
  reconstruction: {type: squared_distance, between: [Y, scale * decoder(Z)], weight: scale}
  prediction:     {type: squared_distance, between: [Z, predicted], weight: 0.37}
  sparsity:       {type: l1, of: Z, weight: 0.8}
inference:
  optimal: {method: argmin, of: Z, start: predicted, without: [prediction], steps: 30}
  fast:    {method: amortized, of: Z, by: encoder(Y)}
learning: {fit: {loss: energy, steps: 3}}
expect: {none: {claim: "nothing", metric: energy(optimal), report: true}}
"""
PAIR = """
factorgraph: 1
dims: {wide: 3}
use:
  low:  {file: layer.yaml, bind: {Y: Y}, with: {units: 2 * wide, factors.sparsity.weight: 0.6}}
  high: {file: layer.yaml, bind: {Y: tanh(low.predicted)}, with: {units: 4}}
variables:
  Y:   {kind: observed}
  top: relu(high.predicted)
factors:
  quiet: {type: l1, of: "high.Z - high.encoder(tanh(low.predicted))", weight: 0.11}
"""
ABOVE = """
factorgraph: 1
use:
  pair: {file: parts/pair.yaml, bind: {Y: X - 0.5}}
variables:
  X:     {kind: observed, shape: [7]}
  label: {kind: observed, shape: [3]}
functions:
  classifier: linear
factors:
  fit: {type: squared_distance, between: [label, classifier(pair.top)], weight: 1.7}
learning:
  low:  {loss: energy, only: [pair.low], train: [pair.low], steps: 4, inference: pair.low.optimal}
  high: {loss: energy, only: [pair.high], train: [pair.high], steps: 4, set: {pair.high.factors.sparsity.weight: 0.2}}
  all:  {loss: energy, inference: [pair.low.fast, pair.high.optimal], steps: 4}
"""
BY_HAND = """
factorgraph: 1
variables:
  X:     {kind: observed, shape: [7]}
  label: {kind: observed, shape: [3]}
  Y1: X - 0.5
  Z1: {kind: latent, shape: [6]}
  P1: encoder1(Y1)
  Y2: tanh(P1)
  Z2: {kind: latent, shape: [4]}
  P2: encoder2(Y2)
  top: relu(P2)
functions:
  encoder1: {type: linear, units: 6, activation: shrink}
  decoder1: {type: linear, bias: false}
  encoder2: {type: linear, units: 4, activation: shrink}
  decoder2: {type: linear, bias: false}
  classifier: linear
factors:
  reconstruction1: {type: squared_distance, between: [Y1, 0.5 * decoder1(Z1)], weight: 0.5}
  prediction1:     {type: squared_distance, between: [Z1, P1], weight: 0.37}
  sparsity1:       {type: l1, of: Z1, weight: 0.6}
  reconstruction2: {type: squared_distance, between: [Y2, 0.5 * decoder2(Z2)], weight: 0.5}
  prediction2:     {type: squared_distance, between: [Z2, P2], weight: 0.37}
  sparsity2:       {type: l1, of: Z2, weight: 0.8}
  quiet:           {type: l1, of: Z2 - encoder2(Y2), weight: 0.11}
  fit: {type: squared_distance, between: [label, classifier(top)], weight: 1.7}
inference:
  optimal1: {method: argmin, of: Z1, start: P1, only: [reconstruction1, sparsity1], steps: 30}
  optimal2: {method: argmin, of: Z2, start: P2, only: [reconstruction2, sparsity2], steps: 30}
"""
SAME = {"pair.low.": "1", "pair.high.": "2"}


def by_hand(name: str) -> str:
    """What an entry of the hierarchy is called where it was copied by hand: ``pair.low.encoder`` is ``encoder1``."""
    for fragment, number in SAME.items():
        if fragment in name:
            block, _, rest = name.partition(fragment)
            entry, *more = rest.split(".")
            short = {"predicted": "P"}.get(entry, entry)
            return ".".join([f"{block}{short}{number}", *more])
    return name.replace("pair.", "")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("specs")
    (made / "parts").mkdir()
    for name, text in (("parts/layer.yaml", LAYER), ("parts/pair.yaml", PAIR), ("above.yaml", ABOVE)):
        (made / name).write_text(text)
    return made


@pytest.fixture(scope="module")
def models(folder: Path):
    """The hierarchy and its copy by hand, with the same parameters."""
    made, copied = compiler.build(load(folder / "above.yaml")), compiler.build(loads(BY_HAND))
    tensors = {by_hand(name): tensor for name, tensor in made.state_dict().items()}
    copied.load_state_dict(tensors)
    return made, copied


def test_shapes_come_through_fragments(folder: Path) -> None:
    shapes = {key: each.shape for key, each in resolve(load(folder / "above.yaml")).variables.items()}
    assert shapes["pair.low.Y"] == shapes["pair.Y"] == (7,)
    assert shapes["pair.low.Z"] == shapes["pair.high.Y"] == (6,)
    assert shapes["pair.high.Z"] == shapes["pair.top"] == (4,)


def test_a_fragment_has_no_learning_no_data_and_no_claims(folder: Path) -> None:
    spec = load(folder / "above.yaml")
    assert list(spec.learning) == ["low", "high", "all"]
    assert dict(spec.expect) == {}
    assert spec.data is None


def test_values_and_energies_are_those_of_the_graph_copied_by_hand(models) -> None:
    made, copied = models
    torch.manual_seed(0)
    given = {"X": torch.randn(11, 7), "label": torch.randn(11, 3)}
    codes = {"pair.low.Z": torch.randn(11, 6), "pair.high.Z": torch.randn(11, 4)}
    theirs = {**given, "Z1": codes["pair.low.Z"], "Z2": codes["pair.high.Z"]}
    torch.testing.assert_close(made.energy(**given, **codes), copied.energy(**theirs), rtol=0, atol=0)
    (top,), (copy,) = made.evaluate(("pair.top",), **given).values(), copied.evaluate(("top",), **given).values()
    assert top.std() > 0.01
    torch.testing.assert_close(top, copy, rtol=0, atol=0)


def test_a_fragments_procedure_sees_the_fragments_factors(models) -> None:
    made, copied = models
    procedures = made.plan.procedures
    assert procedures["pair.high.optimal"].factors == ("pair.high.reconstruction", "pair.high.sparsity")
    given = {"X": torch.linspace(-1, 1, 21).reshape(3, 7), "label": torch.zeros(3, 3)}
    for ours, theirs, name in (("pair.low.optimal", "optimal1", "Z1"), ("pair.high.optimal", "optimal2", "Z2")):
        found = made.infer(procedure=ours, **given)
        expected = copied.infer(procedure=theirs, **given)
        key = {"Z1": "pair.low.Z", "Z2": "pair.high.Z"}[name]
        torch.testing.assert_close(found[key], expected[name], rtol=0, atol=0)


def test_phases_name_fragments(folder: Path) -> None:
    spec = load(folder / "above.yaml")
    low, high, whole = compiler.plan(spec).phases
    assert {each.split(".")[1:3] == ["pair", "low"] or each for each in low.parameters} == {True}
    assert low.procedures == ("pair.low.optimal",)
    assert {".".join(each.split(".")[:3]) for each in high.parameters} == {"functions.pair.high"}
    assert "functions.classifier.matrix" in whole.parameters
    assert whole.procedures == ("pair.low.fast", "pair.high.optimal")


INDEXED = """
factorgraph: 1
dims: {width: [4, 3], gain: [1.5, 2.5]}
indices: {t: 2}
variables:
  Y: {kind: observed, shape: ["width[t]"], per: t}
  Z: {kind: latent, shape: ["width[t]"], per: t}
  all: sum(Z, t)
  next: {is: "Z[t-1]", start: Z}
factors:
  near: {type: squared_distance, between: ["Y[t]", "gain[t] * Z[t]"], weight: "gain[t] / size(Y)"}
inference: {optimal: {method: argmin, of: Z}}
"""


def test_a_fragments_indices_are_its_own(tmp_path: Path) -> None:
    (tmp_path / "part.yaml").write_text(INDEXED.replace("width: [4, 3]", "width: [4, 4]"))
    text = """
factorgraph: 1
indices: {t: 5}
use: {a: part.yaml, b: {file: part.yaml, with: {gain: [1, 2, 3], width: [2, 2, 2], indices.t: 3}}}
variables: {X: {kind: observed, per: t, shape: [4]}}
factors:
  all: {type: squared_distance, between: ["X[t]", "a.Z[last]"]}
  far: {type: l1, of: "b.Z[b.t] - b.Z[b.t-1]"}
  sum: {type: l1, of: "sum(b.Z, b.t)"}
"""
    graph = resolve(loads(text, str(tmp_path / "above.yaml")))
    assert graph.spec.indices == {"a.t": 2, "b.t": 3, "t": 5}
    weights = {key: each.weight for key, each in graph.factors.items() if key.startswith("b.")}
    assert weights == {"b.near[0]": 0.5, "b.near[1]": 1.0, "b.near[2]": 1.5}
    assert [key for key in graph.factors if key.startswith("far")] == ["far[1]", "far[2]"]
    assert graph.values["b.all"].definition == "sum(b.Z[0], b.Z[1], b.Z[2])"
    assert "2.5 * a.Z[1]" in graph.values


FRAMES = """
factorgraph: 1
indices: {s: 3}
use: {a: {file: part.yaml, bind: {Y: X - 1}, with: {indices.t: 3, width: [4, 4, 4], gain: [1, 2, 3]}}}
variables: {X: {kind: observed, per: s, shape: [4]}}
factors: {low: {type: l1, of: "a.Z[a.t] - 2 * a.Y[a.t]"}}
"""


def test_what_has_an_index_is_bound_slot_by_slot(tmp_path: Path) -> None:
    (tmp_path / "part.yaml").write_text(INDEXED)
    graph = resolve(loads(FRAMES, str(tmp_path / "above.yaml")))
    assert [each.definition for each in graph.slots_of("a.Y")] == ["X[0] - 1", "X[1] - 1", "X[2] - 1"]
    assert graph.factors["low[2]"].arguments == ("a.Z[2] - 2 * a.Y[2]",)
    one = FRAMES.replace("per: s, ", "")
    assert [each.definition for each in resolve(loads(one, str(tmp_path / "above.yaml"))).slots_of("a.Y")] == ["X - 1"] * 3
    with pytest.raises(SpecError) as caught:
        resolve(loads(FRAMES.replace("indices: {s: 3}", "indices: {s: 4}"), str(tmp_path / "above.yaml")))
    (found,) = [each for each in caught.value.issues if each.code == "FG253"]
    assert found.message.startswith("a.Y has one value for each a.t, of which there are 3") and found.message.endswith("s has 4")
    assert (found.place.file, found.place.line, found.place.column) == (str(tmp_path / "above.yaml"), 4, 38)


def test_a_mistake_of_shapes_shows_the_chain_of_files(folder: Path) -> None:
    wrong = ABOVE.replace("X - 0.5}", "X - 0.5}, with: {high.variables.Z.shape: [9]}")
    with pytest.raises(SpecError) as caught:
        resolve(loads(wrong, str(folder / "above.yaml")))
    text = str(caught.value)
    assert f"{folder}/parts/layer.yaml:" in text
    assert f"used as high in {folder}/parts/pair.yaml:6" in text
    assert f"used as pair in {folder}/above.yaml:4" in text


def test_a_fragment_names_its_own_variables_in_a_map(tmp_path: Path) -> None:
    layer = LAYER.replace("by: encoder(Y)", "by: {Z: encoder(Y)}").replace("start: predicted", "start: {Z: predicted}")
    (tmp_path / "layer.yaml").write_text(layer)
    (tmp_path / "pair.yaml").write_text(PAIR.replace("Y:   {kind: observed}", "Y: {kind: observed, shape: [7]}"))
    graph = resolve(load(tmp_path / "pair.yaml"))
    assert graph.entries["inference", "low.fast", "by", "low.Z"] == ("low.encoder(low.Y)",)
    assert graph.entries["inference", "low.optimal", "start", "low.Z"] == ("low.predicted",)
