"""Sizes: inferred from what is compared, added, multiplied or declared; and what is said when they do not fit."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from factorgraph.errors import Issue, SpecError
from factorgraph.graph.model import Graph
from factorgraph.graph.resolve import resolve
from factorgraph.spec.load import loads

GraphOf = Callable[[str], Graph]


def mistakes(text: str) -> list[Issue]:
    with pytest.raises(SpecError) as caught:
        resolve(loads("factorgraph: 1\n" + text))
    return list(caught.value.issues)


def one(text: str) -> Issue:
    (it,) = mistakes(text)
    return it


def marked(it: Issue) -> str:
    """The characters that the message underlines."""
    assert it.place is not None
    return it.place.text[it.place.column - 1 : it.place.end_column - 1]


INFERRED = [
    ("compared", "between: [Y, f(Z)]", "f", (4, 3, 5)),
    ("compared, the other way round", "between: [f(Z), Y]", "f", (4, 3, 5)),
    ("added", "between: [Y, f(Z) + g(Z)]", "g", (4, 3, 5)),
    ("multiplied", "between: [Y, f(Z) * 0.37 * g(Z)]", "g", (4, 3, 5)),
    ("subtracted, behind a function of units", "between: [Y, tanh(-relu(f(Z)) - 2)]", "f", (4, 3, 5)),
]


@pytest.mark.parametrize(("how", "between", "function", "result"), INFERRED, ids=[each[0] for each in INFERRED])
def test_a_function_without_units_takes_the_size_of_what_its_result_meets(
    graph_of: GraphOf, how: str, between: str, function: str, result: tuple[int, ...]
) -> None:
    graph = graph_of(f"""
variables:
  Y: {{kind: observed, shape: [4, 3, 5]}}
  Z: {{kind: latent, shape: [7, 2]}}
functions: {{f: linear, g: linear}}
factors:
  fit: {{type: squared_distance, {between}}}
""")
    assert graph.functions[function].result == result
    assert graph.functions[function].parameters["matrix"].shape == (60, 14)


def test_a_latent_takes_the_shape_of_what_it_is_compared_with(graph_of: GraphOf) -> None:
    graph = graph_of("""
variables:
  Y: {kind: observed, shape: [9]}
  Z: {kind: latent}
functions:
  encoder: {type: linear, units: [3, 4]}
  decoder: linear
factors:
  reconstruction: {type: squared_distance, between: [Y, decoder(Z)]}
  prediction: {type: squared_distance, between: [Z, encoder(Y)]}
""")
    assert graph.variables["Z"].shape == (3, 4)
    assert graph.functions["decoder"].given == (3, 4)


def test_one_use_of_a_function_sizes_the_others(graph_of: GraphOf) -> None:
    graph = graph_of("""
indices: {t: 2}
variables:
  Y: {kind: observed, shape: [9], per: t}
  Z: {kind: latent, shape: [5]}
functions:
  encoder: linear
factors:
  prediction: {type: squared_distance, between: [Z, "encoder(Y[0])"]}
  sparsity: {type: l1, of: "encoder(Y[1])"}
""")
    assert graph.values["encoder(Y[1])"].shape == (5,)


def test_a_procedure_sizes_a_function_that_only_it_uses(graph_of: GraphOf) -> None:
    graph = graph_of("""
variables:
  Y: {kind: observed, shape: [9]}
  Z: {kind: latent, shape: [5]}
functions: {decoder: linear, guess: linear}
factors:
  reconstruction: {type: squared_distance, between: [Y, decoder(Z)]}
inference:
  fast: {method: amortized, of: Z, by: tanh(guess(Y))}
learning:
  fit: {loss: energy, steps: 1}
""")
    assert graph.functions["guess"].result == (5,)


def test_noise_has_the_shape_of_what_it_stands_for(graph_of: GraphOf) -> None:
    graph = graph_of("""
variables:
  Y: {kind: observed, shape: [4, 3]}
  Q: {kind: noise, distribution: {type: uniform, low: -1.2, high: 0.7}, stands_for: Y}
factors:
  surface: {type: l1, of: Y}
""")
    assert graph.variables["Q"].shape == (4, 3)
    assert graph.variables["Q"].distribution == ("uniform", -1.2, 0.7)


@pytest.mark.usefixtures("more_functions")
def test_a_size_travels_through_functions_that_change_shapes(graph_of: GraphOf) -> None:
    graph = graph_of("""
variables:
  Y: {kind: observed, shape: [9]}
  Z: {kind: latent, shape: [5]}
functions: {crop: crop, encoder: linear, W: {type: linear, units: 6}}
factors:
  prediction: {type: squared_distance, between: [Z, encoder(crop(relu(crop(Y))))]}
  tied: {type: squared_distance, between: [Y, W.transpose(W(Y))]}
""")
    assert (graph.functions["encoder"].given, graph.functions["encoder"].result) == ((7,), (5,))
    assert graph.values["W.transpose(W(Y))"].shape == (9,)


def test_a_constant_fits_any_shape_and_has_none_of_its_own(graph_of: GraphOf) -> None:
    graph = graph_of("""
variables:
  Z: {kind: latent, shape: [4, 3]}
factors:
  ridge: {type: squared_distance, between: [Z, 0]}
  shifted: {type: l1, of: 0.37 + Z * 2}
""")
    assert graph.values["0"].shape == ()
    assert graph.values["0.37 + Z * 2"].shape == (4, 3)


CHAIN = """variables:
  Y: {kind: observed, shape: [144]}
  Z: {kind: latent, shape: [100]}
functions:
  encoder: {type: linear, units: 256}
factors:
  prediction: {type: squared_distance, between: [Z, encoder(Y)]}
"""


def test_shapes_that_do_not_fit_show_their_chain() -> None:
    it = one(CHAIN)
    assert it.code == "FG320"
    assert it.message == "Z, which is [100], is compared with encoder(Y), which is [256]"
    assert it.notes == ("Y [144] -> encoder: linear -> [256]; compared with Z [100] at factors.prediction.between",)
    assert it.fix == "leave units out of function encoder, or make it [100]"
    assert it.path == ("factors", "prediction", "between", 1)
    assert marked(it) == "encoder"


def test_a_size_of_its_own_is_stronger_than_one_that_is_lent() -> None:
    it = one("""
variables:
  Y: {kind: observed, shape: [9]}
  Z: {kind: latent}
functions: {encoder: {type: linear, units: 4}, decoder: {type: linear, units: 6}}
factors:
  reconstruction: {type: squared_distance, between: [Y, decoder(Z)]}
  prediction: {type: squared_distance, between: [Z, encoder(Y)]}
""")
    assert (it.code, marked(it)) == ("FG320", "decoder")
    assert it.notes == ("Z [4] (as encoder(Y)) -> decoder: linear -> [6]; compared with Y [9] at factors.reconstruction.between",)


def test_a_chain_names_activations_and_derived_variables() -> None:
    text = CHAIN.replace("units: 256", "units: 256, activation: tanh").replace("[Z, encoder(Y)]", "[H, Z]")
    (note,) = one(text.replace("variables:", "variables:\n  H: encoder(Y)")).notes
    chain = "Y [144] -> encoder: linear -> [256] -> encoder.activation: tanh -> [256] -> H"
    assert note == f"Z [100]; compared with {chain} at factors.prediction.between"


def test_the_slot_is_told_once_for_all() -> None:
    it = one("""
dims: {width: [5, 4, 3]}
indices: {l: 3}
variables:
  X: {kind: observed, shape: [5], per: l}
functions:
  up: {type: linear, per: l, units: "width[l]"}
factors:
  fit: {type: squared_distance, between: [X, up(X)]}
""")
    assert it.code == "FG320"
    assert it.message.endswith("at l = 1")
    assert it.notes[0].startswith("X[1] [5] -> up[1]: linear -> [4]; compared with X[1] [5]")


def test_sums_of_unequal_shapes() -> None:
    it = one("""
variables:
  Y: {kind: observed, shape: [4, 3]}
  X: {kind: observed, shape: [12]}
factors:
  fit: {type: l1, of: relu(Y - X)}
""")
    assert (it.code, it.message) == ("FG320", "Y is [4, 3] and X is [12]: they cannot be subtracted")
    assert it.notes == ("X [12]; put together with Y [4, 3] at factors.fit.of",)
    assert marked(it) == "X"


def test_what_cannot_be_joined() -> None:
    it = one("""
variables:
  A: {kind: observed, shape: [2, 5]}
  B: {kind: observed, shape: [3, 4]}
functions: {net: {type: linear, units: 2}}
factors:
  fit: {type: l1, of: "net(A, B)"}
""")
    assert it.code == "FG321"
    assert "[2, 5] with [3, 4]" in it.message
    assert marked(it) == "net(A, B)"


@pytest.mark.usefixtures("more_functions")
def test_a_shape_that_a_function_refuses() -> None:
    it = one("""
variables:
  Y: {kind: observed, shape: [7]}
functions: {pool: what_where}
factors:
  fit: {type: l1, of: relu(pool(Y).what)}
""")
    assert (it.code, it.message, it.notes) == ("FG321", "pool halves an even number of units, not 7", ("Y [7]",))
    assert marked(it) == "pool(Y)"


def test_a_function_for_two_shapes() -> None:
    it = one("""
variables:
  Y: {kind: observed, shape: [7]}
  X: {kind: observed, shape: [5]}
functions: {net: {type: linear, units: 2}}
factors:
  fit: {type: squared_distance, between: [net(Y), net(X)]}
""")
    assert (it.code, it.notes) == ("FG323", ("net(Y): [7] -> [2]", "net(X): [5] -> [2]"))
    assert marked(it) == "net(X)"


MISSING = [
    ("  Z: {kind: latent}\nfunctions: {decoder: linear}", "between: [Y, decoder(Z)]", "variables.Z.shape", ("variables", "Z")),
    ("  X: {kind: observed, shape: [3]}\nfunctions: {f: linear, g: linear}", "between: [f(Y), g(X)]", "functions.f.units", None),
]


@pytest.mark.parametrize(("lines", "between", "fix", "path"), MISSING, ids=["a latent", "units"])
def test_a_missing_size_says_where_to_write_it(lines: str, between: str, fix: str, path: tuple[str, ...] | None) -> None:
    variables = f"variables:\n  Y: {{kind: observed, shape: [4]}}\n{lines}\n"
    found = mistakes(f"{variables}factors:\n  fit: {{type: squared_distance, {between}}}\n")
    assert {it.code for it in found} == {"FG322"}
    assert fix in found[0].fix
    assert path is None or found[0].path == path


def test_independent_mistakes_are_told_together() -> None:
    text = CHAIN.replace("variables:\n", "variables:\n  U: {kind: latent}\n  A: relu(A)\n")
    found = mistakes(text + "  late: {type: l1, of: 'Y[0]'}\n")
    assert {it.code for it in found} == {"FG320", "FG326", "FG253"}
    text = CHAIN.replace("variables:\n", "variables:\n  U: {kind: latent}\n")
    assert {it.code for it in mistakes(text)} == {"FG320", "FG322"}


LARGE = [
    ("[40000]", "[40000]", "functions.decoder.matrix would have 40,000 x 40,000 = 1,600,000,000 numbers"),
    ("[2000000000]", "[1]", "one sample of Y would have 2,000,000,000 = 2,000,000,000 numbers"),
]


@pytest.mark.parametrize(("observed", "latent", "message"), LARGE)
def test_numbers_are_bounded_before_anything_is_allocated(observed: str, latent: str, message: str) -> None:
    found = mistakes(f"""
variables:
  Y: {{kind: observed, shape: {observed}}}
  Z: {{kind: latent, shape: {latent}}}
functions: {{decoder: {{type: linear, bias: false}}}}
factors:
  fit: {{type: squared_distance, between: [Y, decoder(Z)]}}
""")
    assert all(it.code == "FG327" for it in found)
    assert any(message in it.message for it in found)


def test_parameters_are_bounded_together() -> None:
    names = [f"f{n}" for n in range(5)]
    functions = ", ".join(f"{name}: {{type: linear, bias: false}}" for name in names)
    it = one(f"""
variables:
  Y: {{kind: observed, shape: [31000]}}
  Z: {{kind: latent, shape: [31000]}}
functions: {{{functions}}}
factors:
  fit: {{type: squared_distance, between: [Y, {" + ".join(f"{name}(Z)" for name in names)}]}}
""")
    assert it.code == "FG327"
    assert "4,805,000,000" in it.message


SLOTS = [
    ("Z[t-1]", "FG253", "[t-1]", "Z has only one value"),
    ("Y[u]", "FG253", "u", "Y has one value for each t, not for each u"),
    ("Y[3]", "FG254", "3", "t runs from 0 to 2"),
    ("Z[0]", "FG253", "0", "Z has no slots"),
    ("sum(Z, t)", "FG258", "t", "the same for each t"),
    ("sum(Y)", "FG258", "sum(Y)", "takes a value and an index"),
    ("bend.transpose(Y)", "FG324", "transpose", "no transpose"),
    ("relu(Y).what", "FG255", "what", "no output what"),
    ("width * Y", "FG253", "width", "is a list"),
]


@pytest.mark.parametrize(("written", "code", "under", "words"), SLOTS, ids=[each[0] for each in SLOTS])
def test_slots_outputs_and_methods_that_are_not_there(written: str, code: str, under: str, words: str) -> None:
    it = one(f"""
dims: {{width: [1, 2, 3]}}
indices: {{t: 3, u: 2}}
variables:
  Y: {{kind: observed, shape: [4], per: t}}
  Z: {{kind: latent, shape: [4]}}
functions: {{f: linear, bend: tanh}}
factors:
  fit: {{type: squared_distance, between: [Z, 0]}}
  wrong: {{type: l1, of: "{written}"}}
""")
    assert it.code == code
    assert words in it.message
    assert under.strip("[]") == marked(it).strip("[]")


def test_a_factor_without_a_slot() -> None:
    it = one("""
indices: {t: 1}
variables:
  Y: {kind: observed, shape: [4], per: t}
factors:
  slow: {type: squared_distance, between: ["Y[t]", "Y[t-1]"]}
""")
    assert (it.code, it.path) == ("FG325", ("factors", "slow"))
    assert "t has 1" in it.message


def test_what_is_computed_is_not_inferred() -> None:
    it = one("""
variables:
  Y: {kind: observed, shape: [4]}
  Z: {kind: latent, shape: [4]}
  H: relu(Y)
factors:
  fit: {type: squared_distance, between: [Z, H]}
inference:
  wrong: {method: argmin, of: H}
learning:
  fit: {loss: energy, steps: 1}
""")
    assert (it.code, it.allowed) == ("FG256", "Z")


def test_a_size_in_a_weight_is_that_of_the_slot(graph_of: GraphOf) -> None:
    graph = graph_of("""
dims: {width: [5, 3]}
indices: {l: 2}
variables:
  X: {kind: observed, shape: [6]}
  H: up(X)
functions: {up: {type: linear, per: l, units: "width[l]"}}
factors:
  fit: {type: l1, of: H, weight: "6 / size(H) + 1 / size(X)"}
""")
    assert [each.weight for each in graph.factors.values()] == [6 / 5 + 1 / 6, 6 / 3 + 1 / 6]
