"""What the linter warns of, that its fix silences it, and that it is silent where nothing is wrong."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from factorgraph import compile as compiler
from factorgraph.errors import Issue
from factorgraph.graph.resolve import resolve
from factorgraph.lint import lint, strategies_of
from factorgraph.spec.load import load, loads, specs
from factorgraph.spec.schema import Spec

SHIPPED = [each.name for each in specs() if each.name]

FILTERS = """
factorgraph: 1
variables:
  Y: {kind: observed, shape: [6]}
functions:
  filters: {type: linear, units: 4}
factors:
  response: {type: student_t, of: filters(Y)}
learning: {fit: {loss: energy}}
data: {source: arrays, file: rows.npy, bind: {Y: array}}
"""

COPY = """
factorgraph: 1
variables:
  Y: {kind: observed, shape: [6]}
  Z: encoder(Y)
functions:
  encoder: {type: network, layers: 9fc-6fc}
  decoder: {type: network, layers: 9fc-6fc}
factors:
  reconstruction: {type: squared_distance, between: [Y, decoder(Z)]}
learning: {fit: {loss: energy}}
data: {source: arrays, file: rows.npy, bind: {Y: array}}
"""

SEARCH = """
factorgraph: 1
variables:
  Y: {kind: observed, shape: [6]}
  Z: {kind: latent, shape: [9]}
functions:
  decoder: {type: linear, bias: false, unit_norm: columns}
factors:
  reconstruction: {type: squared_distance, between: [Y, decoder(Z)]}
inference: {best: {method: argmin, of: Z}}
learning: {fit: {loss: energy}}
data: {source: arrays, file: rows.npy, bind: {Y: array}}
"""

MEETING = """
factorgraph: 1
variables:
  Y: {kind: observed, shape: [6]}
  Z: {kind: latent, shape: [4]}
  D: {kind: latent, shape: [1]}
functions:
  decoder: {type: linear, unit_norm: columns}
  base:    {type: linear, unit_norm: columns}
  lateral: {type: linear, bias: false, hollow: true}
factors:
  reconstruction: {type: squared_distance, between: [Y, decoder(Z) + base(D)]}
  inhibition:     {type: inner_product, between: [abs(Z), lateral(abs(Z))], weight: 0.05}
inference: {best: {method: argmin, of: [Z, D]}}
learning: {fit: {loss: energy}}
data: {source: arrays, file: rows.npy, bind: {Y: array}}
"""

STILL = """
factorgraph: 1
variables:
  Y: {kind: observed, shape: [6]}
  H: encoder(Y)
functions:
  encoder: {type: linear, units: 9, activation: sigmoid}
  decoder: linear
factors:
  reconstruction: {type: squared_distance, between: [Y, decoder(H)]}
learning: {fit: {loss: {push_down: energy, flatten: {type: contraction, of: H, weight: 0.3}}}}
data: {source: arrays, file: rows.npy, bind: {Y: array}}
"""

BAND = """
factorgraph: 1
variables:
  Y:    {kind: observed, shape: [6]}
  X:    {kind: observed, shape: [6]}
  N:    {kind: noise, shape: [6]}
  band: Y - X
  fake: {is: "generator(N, X)", stands_for: band}
functions:
  generator: {type: network, layers: 9fc-6fc, last: tanh}
  critic:    {type: network, layers: 9fc-fc}
factors:
  realism: {type: value, of: critic(X + band)}
learning:
  game:
    players:
      critic:    {loss: {type: adversarial, fake: fake}}
      generator: {loss: {type: fool, fake: fake}}
data: {source: arrays, file: rows.npy, bind: {Y: array}}
"""

RECONSTRUCTION = {"type": "squared_distance", "between": ["Y", "decoder(Z)"]}
SPARSE = {"factors": {"reconstruction": RECONSTRUCTION, "sparsity": {"type": "l1", "of": "Z"}}}
SQUARE = {"type": "squared_distance", "between": ["Z", 0]}
FREE = {"type": "linear", "bias": False}


def named(name: str) -> Spec:
    texts = {"still": STILL, "band": BAND, "filters": FILTERS, "copy": COPY, "search": SEARCH, "meeting": MEETING}
    return loads(texts[name]) if name in texts else load(name)


def linted(spec: Spec) -> tuple[Issue, ...]:
    graph = resolve(spec)
    return lint(graph, compiler.plan(spec, graph))


def codes(spec: Spec) -> list[str]:
    return [each.code for each in linted(spec)]


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_specs_are_clean(name: str) -> None:
    assert codes(load(name)) == []


UNIT = {"functions.decoder.unit_norm": "columns"}
GENERATOR, LINEAR = "learning.game.players.generator", {"functions.generator.last": "identity"}
CRITIC, GAUSSIAN = "learning.game.players.critic", {"factors.reconstruction.type": "gaussian"}  # log(2 pi) is its least, 1.838
MOST_LIKELY = {"learning.fit.inference": "mode", "functions.loading": {"type": "linear"}}
CASES: list[tuple[str, dict[str, Any], str, dict[str, Any]]] = [
    ("sparse_coding", {"functions.decoder": FREE}, "FGW260", UNIT),
    ("psd", {"functions.decoder": FREE}, "FGW260", UNIT),
    (
        "sparse_coding",
        {"functions.decoder": FREE, "factors.sparsity": SQUARE},
        "FGW261",
        {"functions.decoder.unit_norm": "columns"},
    ),
    ("factor_analysis", MOST_LIKELY, "FGW261", {"functions.loading.unit_norm": "columns"}),
    ("search", {}, "FGW262", SPARSE),
    ("meeting", {}, "FGW275", {"learning.fit.train": ["decoder", "base"]}),
    (
        "meeting",
        {"factors.inhibition.weight": -0.05},
        "FGW275",
        {"functions.lateral.hollow": False, "functions.lateral.unit_norm": "rows"},
    ),
    ("meeting", {"factors.inhibition": {"type": "bias", "of": "Z"}}, "FGW275", {"learning.fit.without": ["inhibition"]}),
    ("copy", {}, "FGW263", SPARSE),
    ("copy", {}, "FGW263", {"functions.encoder.layers": "9fc-3fc"}),
    ("filters", {}, "FGW264", {"functions.filters.orthonormal": "rows"}),
    ("still", {}, "FGW270", {"functions.decoder.max_column_norm": 1}),
    ("still", {}, "FGW270", {"factors.reconstruction.between": ["Y", "encoder.transpose(H)"]}),
    ("band", {}, "FGW271", {"functions.generator.last": "identity"}),
    ("band", {**LINEAR, "learning.game.players.critic.loss.form": "hinge"}, "FGW272", {f"{GENERATOR}.loss.form": "hinge"}),
    ("energy_based_gan", GAUSSIAN, "FGW274", {"factors.reconstruction.type": "squared_distance"}),
    ("energy_based_gan", {**GAUSSIAN, "factors.reconstruction.weight": 0.1}, "FGW274", {f"{CRITIC}.loss.margin": 0.19}),
    ("psd", {"factors.prediction.weight": 0, "learning.warm": {"loss": "energy"}}, "FGW265", {"factors.prediction.weight": 1}),
]


@pytest.mark.parametrize(("name", "changes", "code", "fix"), CASES)
def test_each_warning_and_its_fix(name: str, changes: dict[str, Any], code: str, fix: dict[str, Any]) -> None:
    wrong = named(name).with_changes(changes, "a test") if changes else named(name)
    found = linted(wrong)
    assert [each.code for each in found] == [code]
    assert found[0].place is not None and found[0].fix
    assert codes(wrong.with_changes(fix, "its fix")) == []
    printed = change_of(found[0].fix, wrong)
    assert printed or code == "FGW265"  # whose fix is a choice
    if printed:
        assert codes(wrong.with_changes(printed, "the fix as it is printed")) == []


def change_of(fix: str, spec: Spec) -> dict[str, Any]:
    """The change that a fix of the form ADDRESS: VALUE is, what follows as an alternative left out."""
    found = re.match(r"((?:\w+\.)+\w+): (\{.*?\}|\[.*?\]|\S+?)(?:, or .*)?$", fix)
    if not found:
        return {}
    block, _, rest = found[1].partition(".")
    value = yaml.safe_load(found[2])
    return {found[1]: value} if "." in rest else {block: {**spec.document.values[block], rest: value}}


def around() -> dict[str, Any]:
    return {"source": "curve", "bind": {"Y": "point"}}


@pytest.mark.parametrize(("metric", "made", "expected"), [
    ("auc()", False, ["FGW273"]),
    ("recovered(filters) + 1", False, ["FGW273"]),
    ("recovered(filters)", True, ["FGW273"]),
    ("auc()", True, []),
    ("planted.auc()", False, []),  # its data are its own
    ("largest(column_norm(filters))", False, []),
])  # fmt: skip
def test_a_claim_that_asks_what_the_data_do_not_know(metric: str, made: bool, expected: list[str]) -> None:
    text = yaml.safe_load(FILTERS.replace("units: 4", "units: 4, unit_norm: rows").replace("[6]", "[2]"))
    text["variants"] = {"planted": {"data": around()}}
    text["expect"] = {"told": {"claim": "it is told", "metric": metric, "report": True}}
    text["data"] = around() if made else text["data"]
    assert codes(loads(yaml.safe_dump(text))) == expected


def test_a_weight_that_a_phase_raises_is_not_silent() -> None:
    spec = load("psd").with_changes({"factors.prediction.weight": 0}, "a test")
    assert codes(spec) == []  # the first phase sets it


@pytest.mark.parametrize(("weight", "expected"), [(0.37, []), (0, ["FGW265"])])
def test_a_weight_that_a_variant_raises_is_not_silent(weight: float, expected: list[str]) -> None:
    text = FILTERS.replace("learning:", "  more: {type: l1, of: Y, weight: 0}\nlearning:")
    text = text.replace("units: 4", "units: 4, unit_norm: rows")
    assert codes(loads(f"{text}variants: {{both: {{factors.more.weight: {weight}}}}}\n")) == expected


@pytest.mark.parametrize(
    "change",
    [
        {"functions.decoder": {"type": "linear", "max_column_norm": 2}},
        {"functions.encoder": {"type": "linear", "unit_norm": "rows"}, "functions.decoder": FREE},
        {"factors.sparsity": {"type": "squared_distance", "between": ["Z", 1]}, "functions.decoder": FREE},
    ],
    ids=["a bound", "an encoder that cannot shrink", "a prior away from zero"],
)
def test_what_pins_the_size_of_a_code_is_seen(change: dict[str, Any]) -> None:
    assert codes(load("psd").with_changes(change, "a test")) == []


def ways(spec: Spec) -> list[str]:
    graph = resolve(spec)
    return [each.way.name for each in strategies_of(graph, compiler.plan(spec, graph))]


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("psd", "PRIOR"),
        ("sparse_coding", "PRIOR"),
        ("encoder_decoder", "PRIOR"),
        ("kmeans", "CAPACITY"),
        ("toy/pca", "CAPACITY"),
        ("toy/autoencoder", "CAPACITY"),
        ("factor_analysis", "CAPACITY"),
        ("toy/sparse_autoencoder", "PRIOR"),
    ],
)
def test_the_strategy_of_each_spec(name: str, first: str) -> None:
    assert ways(load(name))[0] == first


def priors(spec: Spec) -> list[str]:
    graph = resolve(spec)
    return [each.why for each in strategies_of(graph, compiler.plan(spec, graph)) if each.way.name == "PRIOR"]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({}, []),
        ({"factors.inhibition.between": ["abs(Z)", "abs(lateral(abs(Z)))"]}, ["inhibition, of Z"]),
        ({"factors.inhibition.weight": -1, "factors.inhibition.between": ["abs(Z)", "abs(lateral(abs(Z)))"]}, []),
        ({"variables.Z.domain": "binary"}, ["inhibition, of Z"]),
        ({"factors.inhibition": {"type": "l1", "of": "Z"}}, ["inhibition, of Z"]),
    ],
)
def test_only_a_term_that_is_bounded_below_limits_a_code(change: dict[str, Any], found: list[str]) -> None:
    assert priors(loads(MEETING).with_changes(change, "a test")) == found


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({}, ["Z and D have 5 units together, Y has 6"]),
        ({"variables.D.shape": [2]}, []),
        ({"variables.D.domain": "one_hot", "variables.D.shape": [2]}, ["Z has 4 units, Y has 6"]),
        ({"factors.reconstruction.between": ["Y", "decoder(Z)"]}, ["Z has 4 units, Y has 6"]),
    ],
)
def test_codes_that_meet_in_a_reconstruction_are_counted_together(change: dict[str, Any], found: list[str]) -> None:
    spec = loads(MEETING).with_changes(change, "a test")
    graph = resolve(spec)
    told = strategies_of(graph, compiler.plan(spec, graph))
    assert [each.why for each in told if each.way.name == "CAPACITY"] == found


def test_noise_on_the_way_back_is_a_strategy() -> None:
    spec = loads(COPY.replace("Z: encoder(Y)", "N: {kind: noise, shape: [6]}\n  Z: encoder(Y + N)"))
    assert ways(spec) == ["DYNAMICS"]
    assert codes(spec) == []


def test_a_prediction_of_what_is_observed_is_bounded_by_construction() -> None:
    other = COPY.replace("Z: encoder(Y)", "X: {kind: observed, shape: [3]}\n  Z: encoder(X)")
    spec = loads(other.replace("bind: {Y: array}", "bind: {Y: array, X: array}"))
    assert "CAPACITY" in ways(spec)


def test_a_factor_without_weight_is_no_strategy() -> None:
    spec = load("toy/sparse_autoencoder").variant("plain")
    assert codes(spec) == ["FGW263", "FGW265"]


@pytest.mark.parametrize(("layers", "found"), [("3fc", ["CAPACITY"]), ("9fc", [])])
def test_a_bottleneck_needs_no_name(layers: str, found: list[str]) -> None:
    direct = (
        COPY.replace("  Z: encoder(Y)\n", "")
        .replace("decoder(Z)", "decoder(encoder(Y))")
        .replace("layers: 9fc-6fc}", f"layers: {layers}}}", 1)
    )
    assert ways(loads(direct)) == found
    assert codes(loads(direct)) == ([] if found else ["FGW262"])


@pytest.mark.parametrize(
    ("factor", "code"), [("value, of: net(Y)", "FGW264"), ("inner_product, between: [Y, same(Y)]", "FGW262")]
)
def test_where_nothing_leads_back_to_the_data_the_fix_is_a_loss(factor: str, code: str) -> None:
    functions = "{net: {type: network, layers: 9fc-fc, activation: softplus}, same: {type: linear, units: 6}}"
    head, tail = FILTERS[: FILTERS.index("functions:")], FILTERS[FILTERS.index("learning:") :]
    spec = loads(f"{head}functions: {functions}\nfactors: {{low: {{type: {factor}}}}}\n{tail}")
    (found,) = linted(spec)
    assert (found.code, found.fix) == (code, "learning.fit.loss: score_matching, or another that pushes up somewhere")
    assert codes(spec.with_changes({"learning.fit.loss": "score_matching"}, "the fix")) == []


def test_what_bounds_a_hierarchy_is_a_line_for_each_factor_of_a_latent_code():
    spec = load("psd_hierarchy")
    graph = resolve(spec)
    told = [str(each) for each in strategies_of(graph, compiler.plan(spec, graph)) if each.way.name == "PRIOR"]
    assert [each.rpartition(": ")[2] for each in told] == ["first.sparsity, of first.Z", "second.sparsity, of second.Z"]
