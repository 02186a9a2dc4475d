"""Names, sharing, entries and roles: what a spec means, value by value, written down by hand."""

from __future__ import annotations

import random
from collections.abc import Callable

import networkx
import pytest

from factorgraph.errors import SpecError
from factorgraph.graph.model import Application, Graph, Variable
from factorgraph.graph.resolve import extend, resolve, resolve_value
from factorgraph.spec.expressions import Expression
from factorgraph.spec.load import loads

GraphOf = Callable[[str], Graph]

PSD = """
dims: {side: 3, code: 5}
variables:
  Y: {kind: observed, shape: [side * side]}
  Z: {kind: latent, shape: [code]}
functions:
  decoder: {type: linear, bias: false, unit_norm: columns}
  encoder: {type: linear, activation: shrink}
factors:
  reconstruction: {type: squared_distance, between: [Y, decoder(Z)]}
  prediction: {type: squared_distance, between: [Z, encoder(Y)], weight: 0.37}
  sparsity: {type: l1, of: Z, weight: 1.25 / (code - 1)}
inference:
  optimal: {method: argmin, of: Z, start: encoder(Y)}
  fast: {method: amortized, of: Z, by: encoder(Y)}
learning:
  fit: {loss: energy, steps: 1}
"""


def test_values_shapes_parameters_roles_and_weights_of_psd(graph_of: GraphOf) -> None:
    graph = graph_of(PSD)
    assert {key: value.shape for key, value in graph.values.items()} == {
        "Y": (9,),
        "Z": (5,),
        "decoder(Z)": (9,),
        "encoder.linear(Y)": (5,),
        "encoder(Y)": (5,),
    }
    assert {key: (node.given, node.result, node.role) for key, node in graph.functions.items()} == {
        "decoder": ((5,), (9,), "decoder"),
        "encoder": ((9,), (5,), "encoder"),
        "encoder.activation": ((5,), (5,), "encoder"),
    }
    assert {key: {name: each.shape for name, each in node.parameters.items()} for key, node in graph.functions.items()} == {
        "decoder": {"matrix": (9, 5)},
        "encoder": {"matrix": (5, 9), "bias": (5,)},
        "encoder.activation": {"threshold": (5,)},
    }
    assert {key: (node.arguments, node.weight) for key, node in graph.factors.items()} == {
        "reconstruction": (("Y", "decoder(Z)"), 1.0),
        "prediction": (("Z", "encoder(Y)"), 0.37),
        "sparsity": (("Z",), 1.25 / 4),
    }
    assert graph.entries == {
        ("inference", "optimal", "of"): ("Z",),
        ("inference", "optimal", "start"): ("encoder(Y)",),
        ("inference", "fast", "of"): ("Z",),
        ("inference", "fast", "by"): ("encoder(Y)",),
    }
    assert graph.functions["encoder.activation"].spelled == "encoder"
    assert graph.warnings == ()


def test_arguments_come_before_what_uses_them(graph_of: GraphOf) -> None:
    graph = graph_of(PSD)
    seen: set[str] = set()
    for key, value in graph.values.items():
        assert seen.issuperset(value.arguments)
        seen.add(key)


TEXTS = [
    ("Y - decoder(Z)", ["decoder(Z)", "Y - decoder(Z)"]),
    ("Y - (Y - Y)", ["Y - Y", "Y - (Y - Y)"]),
    ("(Y - Y) - Y", ["Y - Y", "Y - Y - Y"]),
    ("Y * (Y + Y)", ["Y + Y", "Y * (Y + Y)"]),
    ("(Y * Y) + Y", ["Y * Y", "Y * Y + Y"]),
    ("-(Y * Y)", ["Y * Y", "-(Y * Y)"]),
    ("-Y * Y", ["-Y", "-Y * Y"]),
    ("two * Y", ["2", "2 * Y"]),
    ("(2 + 3) * Y", ["5", "5 * Y"]),
    ("Y - -0.5", ["-0.5", "Y - -0.5"]),
    ("relu( relu (Y) )", ["relu(Y)", "relu(relu(Y))"]),
    ("encoder.transpose(Z)", ["encoder.transpose(Z)"]),
]


@pytest.mark.parametrize(("written", "made"), TEXTS)
def test_ids_are_canonical_texts_with_few_parentheses(graph_of: GraphOf, written: str, made: list[str]) -> None:
    before = graph_of(PSD.replace("{side: 3, code: 5}", "{side: 3, code: 5, two: 2}"))
    graph, ids = extend(before, Expression.of(written), ("figures", "one", "of"))
    assert list(graph.values)[len(before.values) :] == [each for each in made if each not in before.values]
    assert ids == (made[-1],)


def test_numbers_written_alone_are_folded_and_unused_ones_are_dropped(graph_of: GraphOf) -> None:
    graph, ids = extend(graph_of(PSD), Expression.of("(2 + 3) * Y"), ("x",))
    assert ids == ("5 * Y",)
    assert "2" not in graph.values
    assert graph.values["5"].shape == ()


def test_equal_expressions_are_one_value(graph_of: GraphOf) -> None:
    graph = graph_of("""
variables:
  Y: {kind: observed, shape: [4]}
  Z: {kind: latent, shape: [3]}
  error: Y - decoder( Z )
functions:
  decoder: linear
factors:
  one: {type: l1, of: Y-decoder(Z)}
  two: {type: squared_distance, between: [error, 0]}
  three: {type: squared_distance, between: [Y, decoder(Z)]}
  four: {type: l1, of: relu(error)}
  five: {type: l1, of: relu(Y - decoder(Z))}
  six: {type: l1, of: error * Y}
  seven: {type: l1, of: (Y - decoder(Z)) * Y}
""")
    applications = [each for each in graph.values.values() if isinstance(each, Application)]
    assert [each.id for each in applications] == ["decoder(Z)", "relu(error)"]
    assert graph.factors["one"].arguments == ("Y - decoder(Z)",)
    assert graph.factors["four"].arguments == graph.factors["five"].arguments == ("relu(error)",)
    assert graph.factors["six"].arguments == graph.factors["seven"].arguments == ("error * Y",)
    assert graph.variables["error"].definition == "Y - decoder(Z)"


def test_a_number_under_a_name_has_a_shape_and_is_not_shared(graph_of: GraphOf) -> None:
    graph = graph_of("""
variables:
  Y: {kind: observed, shape: [4]}
  three: {is: 0, shape: [3]}
  five: {is: 0, shape: [5]}
factors:
  one: {type: l1, of: "join(Y, three)"}
  two: {type: l1, of: "join(Y, five)"}
""")
    assert graph.variables["three"].definition == graph.variables["five"].definition == "0"
    assert [graph.values[factor.arguments[0]].shape for factor in graph.factors.values()] == [(7,), (9,)]


def test_order_is_kept_as_written(graph_of: GraphOf) -> None:
    graph, (one,) = extend(graph_of(PSD), Expression.of("Y + decoder(Z)"), ("x",))
    graph, (other,) = extend(graph, Expression.of("decoder(Z) + Y"), ("x",))
    assert (one, other) == ("Y + decoder(Z)", "decoder(Z) + Y")


def test_an_activation_and_a_gain_are_nodes_of_a_chain(graph_of: GraphOf) -> None:
    graph = graph_of(PSD.replace("activation: shrink", "activation: tanh, gain: true"))
    assert [key for key in graph.functions if key.startswith("encoder")] == ["encoder", "encoder.activation", "encoder.gain"]
    chain = [value for value in graph.values.values() if isinstance(value, Application) and value.function.startswith("encoder")]
    assert [(each.id, each.function, each.arguments) for each in chain] == [
        ("encoder.linear(Y)", "encoder", ("Y",)),
        ("encoder.activation(Y)", "encoder.activation", ("encoder.linear(Y)",)),
        ("encoder(Y)", "encoder.gain", ("encoder.activation(Y)",)),
    ]
    assert graph.functions["encoder.gain"].parameters["scale"].shape == (5,)


def test_a_transpose_of_a_chain_is_that_of_its_matrix(graph_of: GraphOf) -> None:
    graph, (key,) = extend(graph_of(PSD), Expression.of("encoder.transpose(Z)"), ("x",))
    value = graph.values[key]
    assert isinstance(value, Application)
    assert (value.function, value.method, value.shape) == ("encoder", "transpose", (9,))


def test_several_arguments_are_joined_once(graph_of: GraphOf) -> None:
    graph = graph_of("""
variables:
  A: {kind: observed, shape: [2, 5]}
  B: {kind: observed, shape: [3, 5]}
functions:
  net: {type: linear, units: 7}
factors:
  one: {type: l1, of: "net(A, B)"}
  two: {type: l1, of: "net(join(A, B))"}
""")
    assert graph.values["join(A, B)"].shape == (5, 5)
    assert graph.values["net(A, B)"].arguments == ("join(A, B)",)
    assert graph.factors["one"].arguments == graph.factors["two"].arguments == ("net(A, B)",)


def test_start_and_by_of_several_variables_are_kept_by_name(graph_of: GraphOf) -> None:
    graph = graph_of("""
indices: {t: 2}
variables:
  S: {kind: observed, shape: [6], per: t}
  C1: {kind: latent, shape: [2], per: t}
  C2: {kind: latent, shape: [3]}
functions:
  W1: linear
  W2: linear
  V1: linear
  V2: linear
factors:
  fit: {type: squared_distance, between: [S, W1(C1) * W2(C2)]}
inference:
  optimal: {method: argmin, of: [C1, C2], start: {C1: V1(S), C2: "V2(sum(S, t))"}}
  zero: {method: argmin, of: [C1, C2], start: 0}
learning:
  fit: {loss: energy, steps: 1}
""")
    assert graph.entries[("inference", "optimal", "of")] == ("C1[0]", "C1[1]", "C2")
    assert graph.entries[("inference", "optimal", "start", "C1")] == ("V1(S[0])", "V1(S[1])")
    assert graph.entries[("inference", "optimal", "start", "C2")] == ("V2(sum(S[0], S[1]))",)
    assert graph.entries[("inference", "zero", "start")] == ("0", "0", "0")
    assert graph.functions["V1"].result == (2,)
    assert graph.functions["V2"].result == (3,)


def test_roles(graph_of: GraphOf) -> None:
    graph = graph_of("""
variables:
  X: {kind: observed, shape: [6]}
  Y: {kind: observed, shape: [6]}
  D: {kind: latent, shape: [3]}
functions:
  see: linear
  mix: linear
  paint: {type: linear, activation: relu}
  alone: {type: linear, units: 4}
  guess: linear
  read: linear
  write: linear
factors:
  prediction: {type: squared_distance, between: [Y, paint(see(X) + mix(D))]}
  other: {type: l1, of: alone(X)}
  rule: {type: squared_distance, between: [see(X), 0 * alone(X)]}
  up: {type: squared_distance, between: [D, tanh(read(X))]}
  down: {type: squared_distance, between: [X, write(tanh(D))]}
inference:
  fast: {method: amortized, of: D, by: guess(X)}
learning:
  fit: {loss: energy, steps: 1}
""")
    roles = {key: node.role for key, node in graph.functions.items()}
    assert roles == {
        "see": "",  # from one observed variable to a comparison with another
        "mix": "decoder",
        "paint": "decoder",
        "paint.activation": "decoder",
        "alone": "",
        "guess": "encoder",
        "read": "encoder",
        "write": "decoder",
        "tanh": "",  # on both ways
    }


def test_warnings_name_what_does_nothing(graph_of: GraphOf) -> None:
    graph = graph_of("""
variables:
  Y: {kind: observed, shape: [4]}
  unread: {kind: observed, shape: [2]}
  Z: {kind: latent, shape: [3]}
  untouched: {kind: latent, shape: [3]}
functions:
  decoder: linear
  idle: linear
factors:
  fit: {type: squared_distance, between: [Y, decoder(Z)]}
""")
    assert [(each.code, each.path) for each in graph.warnings] == [
        ("FGW251", ("variables", "unread")),
        ("FGW250", ("variables", "untouched")),
        ("FGW252", ("functions", "idle")),
    ]
    assert all(each.place is not None for each in graph.warnings)


def test_warnings_of_the_text_are_told_with_those_of_the_graph(graph_of: GraphOf) -> None:
    (told,) = graph_of("""
variables: {Y: {kind: observed, shape: [4]}, N: {kind: noise, shape: [4]}, fake: {is: made(N), stands_for: Y}}
functions: {made: linear, seen: linear}
factors: {real: {type: value, of: seen(Y)}}
learning:
  game:
    steps: 3
    players:
      critic: {train: [seen], loss: {type: adversarial, fake: fake}}
      maker: {train: [made, seen], loss: {type: fool, fake: fake}}
""").warnings
    assert told.code == "FGW201" and told.place is not None and told.place.text.endswith("seen], loss: {type: fool, fake: fake}}")


def test_a_value_at_a_slot_can_be_asked_for_later(graph_of: GraphOf) -> None:
    before = graph_of("""
indices: {t: 3}
variables:
  Y: {kind: observed, shape: [4], per: t}
  Z: {kind: latent, shape: [3], per: t}
functions:
  decoder: linear
factors:
  fit: {type: squared_distance, between: [Y, decoder(Z)]}
""")
    after, key = resolve_value(before, Expression.of("Y[t-1] - decoder(Z)"), {"t": 2}, ("expect", "one"))
    assert key == "Y[1] - decoder(Z[2])"
    assert after.values[key].shape == (4,)
    assert key not in before.values
    _, ids = extend(before, Expression.of("Y[t-1] - decoder(Z)"), ("expect", "one"))
    assert ids == ("Y[0] - decoder(Z[1])", "Y[1] - decoder(Z[2])")
    with pytest.raises(SpecError) as caught:
        resolve_value(before, Expression.of("Y[t-1]"), {"t": 0}, ("expect", "one"))
    assert caught.value.issues[0].code == "FG325"
    with pytest.raises(SpecError) as caught:
        extend(before, Expression.of("Y[t-1] - encoder(Z)"), ("expect", "one"))
    assert (caught.value.issues[0].code, caught.value.issues[0].span) == ("FG209", (9, 16))
    with pytest.raises(SpecError) as caught:
        extend(before, Expression.of("Y - Z"), ("expect", "one"))
    assert caught.value.issues[0].code == "FG320"


def test_asking_for_what_is_there_adds_nothing(graph_of: GraphOf) -> None:
    before = graph_of(PSD)
    after, ids = extend(before, Expression.of("encoder(Y)"), ("expect", "one"))
    assert ids == ("encoder(Y)",)
    assert dict(after.values) == dict(before.values)
    assert dict(after.functions) == dict(before.functions)


NAMES = ("Y", "Z", "H", "decoder", "encoder", "other", "reconstruction", "prediction", "sparsity", "t")
TANGLE = {
    "variables": {
        "Y": "{kind: observed, shape: [6], per: t}",
        "Z": "{kind: latent, shape: [4], per: t}",
        "H": '{is: "relu(encoder(Y) + other(H[t-1]))", start: encoder(Y)}',
    },
    "functions": {"decoder": "linear", "encoder": "{type: linear, activation: tanh}", "other": "linear"},
    "factors": {
        "reconstruction": "{type: squared_distance, between: [Y, decoder(Z)], weight: 0.37}",
        "prediction": "{type: squared_distance, between: [Z, H]}",
        "sparsity": '{type: l1, of: "Z[t+1] - Z[t]"}',
    },
}


def _tangle(names: dict[str, str], order: random.Random) -> Graph:
    lines = ["factorgraph: 1", "indices: {t: 4}"]
    for block, entries in TANGLE.items():
        lines.append(f"{block}:")
        for name, body in order.sample(sorted(entries.items()), len(entries)):
            lines.append(f"  {name}: {body}")
    text = "\n".join(lines)
    words = {name: f"@{number}@" for number, name in enumerate(names)}
    for name, word in words.items():
        text = _whole_words(text, name, word)
    for name, word in words.items():
        text = text.replace(word, names[name])
    return resolve(loads(text))


def _whole_words(text: str, name: str, word: str) -> str:
    import re

    return re.sub(rf"\b{name}\b", word, text)


def _signature(graph: Graph) -> networkx.DiGraph:
    net: networkx.DiGraph = networkx.DiGraph()
    for key, value in graph.values.items():
        kind = value.kind if isinstance(value, Variable) else getattr(value, "operator", type(value).__name__)
        roles = graph.functions[value.function].role if isinstance(value, Application) else ""
        net.add_node(key, label=(kind, value.shape, roles))
        for place, each in enumerate(value.arguments):
            net.add_edge(each, key, label=place)
    for key, factor in graph.factors.items():
        net.add_node(("factor", key), label=(factor.leaf.type, factor.weight))
        for place, each in enumerate(factor.arguments):
            net.add_edge(each, ("factor", key), label=place)
    return net


@pytest.mark.parametrize("seed", range(6))
def test_other_names_in_another_order_give_the_same_graph(seed: int) -> None:
    chance = random.Random(seed)
    plain = _tangle({name: name for name in NAMES}, random.Random(100))
    fresh = chance.sample(["alpha", "b2", "C", "delta_", "Eps", "f", "g_g", "hh", "io", "J", "k9", "ll"], len(NAMES))
    other = _tangle(dict(zip(NAMES, fresh, strict=True)), chance)
    same = networkx.is_isomorphic(
        _signature(plain), _signature(other), lambda a, b: a["label"] == b["label"], lambda a, b: a["label"] == b["label"]
    )
    assert same
    assert len(plain.values) > 30


def test_a_thousand_factors_are_one_graph() -> None:
    lines = ["factorgraph: 1", "variables:", "  Y: {kind: observed, shape: [4]}", "  Z: {kind: latent, shape: [3]}", "functions:"]
    lines += [f"  decoder{n}: linear" for n in range(7)] + ["factors:"]
    lines += [f"  f{n}: {{type: squared_distance, between: [Y, decoder{n % 7}(Z) + {n}]}}" for n in range(1000)]
    graph = resolve(loads("\n".join(lines)))
    assert len(graph.factors) == 1000
    assert sum(isinstance(each, Application) for each in graph.values.values()) == 7
