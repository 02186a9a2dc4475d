"""Indices: slots unrolled, neighbours read, recursion through stacks, pyramids and recurrent nets."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from factorgraph.errors import SpecError
from factorgraph.graph.model import Graph
from factorgraph.graph.resolve import resolve
from factorgraph.spec.load import loads

GraphOf = Callable[[str], Graph]


def definitions(graph: Graph, name: str) -> dict[str, str | None]:
    return {each.id: each.definition for each in graph.slots_of(name)}


def arguments(graph: Graph) -> dict[str, tuple[str, ...]]:
    return {key: factor.arguments for key, factor in graph.factors.items()}


def test_a_factor_is_summed_where_everything_that_it_reads_exists(graph_of: GraphOf) -> None:
    graph = graph_of("""
indices: {t: 4}
variables:
  Z: {kind: latent, shape: [3], per: t}
  Y: {kind: observed, shape: [3]}
factors:
  all: {type: squared_distance, between: [Y, Z]}
  slow: {type: squared_distance, between: ["Z[t]", "Z[t-1]"]}
  straight: {type: squared_distance, between: ["Z[t] - Z[t-1]", "Z[t+1] - Z[t]"]}
  first: {type: l1, of: "Z[0]"}
  end: {type: squared_distance, between: ["Z[last]", "Z[1]"]}
""")
    assert arguments(graph) == {
        **{f"all[{t}]": ("Y", f"Z[{t}]") for t in range(4)},
        **{f"slow[{t}]": (f"Z[{t}]", f"Z[{t - 1}]") for t in (1, 2, 3)},
        **{f"straight[{t}]": (f"Z[{t}] - Z[{t - 1}]", f"Z[{t + 1}] - Z[{t}]") for t in (1, 2)},
        "first": ("Z[0]",),
        "end": ("Z[3]", "Z[1]"),
    }
    assert graph.factors["slow[2]"].slots == {"t": 2}


def test_two_indices_are_a_grid(graph_of: GraphOf) -> None:
    graph = graph_of("""
indices: {t: 2, u: 3}
variables:
  A: {kind: observed, shape: [3], per: u}
  B: {kind: latent, shape: [3], per: t}
  both: A - B
factors:
  fit: {type: squared_distance, between: [both, 0]}
  next: {type: squared_distance, between: [both, "both[u-1]"]}
""")
    assert [each for each in arguments(graph) if each.startswith("fit")] == [f"fit[{t},{u}]" for t in range(2) for u in range(3)]
    assert arguments(graph)["next[1,2]"] == ("both[1,2]", "both[1,1]")
    assert "next[1,0]" not in graph.factors


def test_sums_and_means_remove_an_index(graph_of: GraphOf) -> None:
    graph = graph_of("""
indices: {t: 3}
variables:
  Y: {kind: observed, shape: [4], per: t}
  change: "Y[t] - Y[t-1]"
  total: "sum(Y, t)"
  middle: "mean(change, t)"
factors:
  fit: {type: squared_distance, between: [total, middle]}
""")
    assert arguments(graph) == {"fit": ("total", "middle")}
    assert graph.values[str(definitions(graph, "total")["total"])].arguments == ("Y[0]", "Y[1]", "Y[2]")
    assert graph.values[str(definitions(graph, "middle")["middle"])].arguments == ("change[1]", "change[2]")


def test_an_index_inside_a_constant_is_free(graph_of: GraphOf) -> None:
    graph = graph_of("""
dims: {importance: [2, 0.37, 5]}
indices: {l: 3}
variables:
  Y: {kind: observed, shape: [4]}
factors:
  fit: {type: l1, of: Y, weight: "importance[l] / size(Y) + l"}
""")
    weights = {key: each.weight for key, each in graph.factors.items()}
    assert weights == {"fit[0]": 0.5, "fit[1]": 0.37 / 4 + 1, "fit[2]": 1.25 + 2}


def test_a_function_per_index_is_a_copy_a_slot(graph_of: GraphOf) -> None:
    graph = graph_of("""
dims: {width: [5, 3]}
indices: {l: 2}
variables:
  X: {kind: observed, shape: [6]}
  H: up(X)
functions:
  up: {type: linear, per: l, units: "width[l]", activation: relu}
factors:
  fit: {type: l1, of: "width[l] * H"}
""")
    assert list(graph.functions) == ["up[0]", "up[0].activation", "up[1]", "up[1].activation"]
    assert graph.functions["up[1]"].spelled == "up"
    assert graph.values["up[1](X)"].shape == (3,)
    assert arguments(graph) == {"fit[0]": ("5 * H[0]",), "fit[1]": ("3 * H[1]",)}


@pytest.mark.usefixtures("more_functions")
def test_a_stack_with_two_outputs_down_and_up_again(graph_of: GraphOf) -> None:
    graph = graph_of("""
dims: {importance: [1, 0.37]}
indices: {l: 2}
variables:
  X:      {kind: observed, shape: [8]}
  input:  {is: "stage[l-1].what", start: X}
  stage:  pool(encoder(input))
  above:  {is: "output[l+1]", start: stage.what}
  output: decoder(pool.unpool(above, stage.where))
functions:
  encoder: {type: linear, per: l, units: 12}
  decoder: {type: linear, per: l}
  pool: what_where
factors:
  reconstruction: {type: squared_distance, between: [input, output], weight: "importance[l] / size(input)"}
""")
    assert definitions(graph, "input") == {"input[0]": "X", "input[1]": "stage[0].what"}
    assert definitions(graph, "above") == {"above[0]": "output[1]", "above[1]": "stage[1].what"}
    assert graph.values["stage[0].what"].arguments == ("stage[0]",)
    assert graph.values["pool.unpool(above[1], stage[1].where)"].arguments == ("above[1]", "stage[1].where")
    assert {key: (node.given, node.result) for key, node in graph.functions.items()} == {
        "encoder[0]": ((8,), (12,)),
        "encoder[1]": ((6,), (12,)),
        "decoder[1]": ((12,), (6,)),
        "decoder[0]": ((12,), (8,)),
        "pool": ((12,), (12,)),
    }
    assert [each.weight for each in graph.factors.values()] == [1 / 8, 0.37 / 6]


@pytest.mark.usefixtures("more_functions")
def test_a_pyramid_whose_recursion_begins_with_a_number(graph_of: GraphOf) -> None:
    graph = graph_of("""
indices: {k: 3}
variables:
  X: {kind: observed, shape: [9]}
  N: {kind: noise, shape: [2], per: k, distribution: uniform}
  image: {is: "fit(image[k-1])", start: X}
  blurred: {is: "fit(image[k-1])", start: 0}
  band: image - blurred
  fake: {is: "generator(N, blurred)", stands_for: band}
functions:
  fit: crop
  generator: {type: linear, per: k}
factors:
  realism: {type: l1, of: blurred + band}
""")
    assert definitions(graph, "blurred") == {"blurred[0]": "0", "blurred[1]": "fit(image[0])", "blurred[2]": "fit(image[1])"}
    assert [each.shape for each in graph.slots_of("blurred")] == [(9,), (8,), (7,)]  # the number as large as what it meets
    assert [each.shape for each in graph.slots_of("fake")] == [(9,), (8,), (7,)]
    assert [graph.functions[f"generator[{k}]"].given for k in range(3)] == [(11,), (10,), (9,)]
    assert graph.variables["fake[1]"].stands_for == "band[1]"
    assert graph.variables["N[0]"].distribution == ("uniform", -1.0, 1.0)


@pytest.mark.usefixtures("more_functions")
def test_recurrent_nets_forwards_and_backwards_over_two_indices(graph_of: GraphOf) -> None:
    graph = graph_of("""
indices: {t: 3, u: 2}
variables:
  X: {kind: observed, shape: [6], per: t}
  Y: {kind: observed, shape: [5], per: u}
  before:   {is: "memory[t-1]", start: 0}
  memory:   reader(X, before)
  ahead:    {is: "forecast[u-1]", start: "memory[last]"}
  forecast: predictor(ahead)
  Yhat:     read_out(forecast)
  after:    {is: "recall[t+1]", start: "memory[last]"}
  recall:   predictor(after)
  Xhat:     write_out(recall)
functions:
  reader: {type: lstm, units: 11}
  predictor: {type: linear, units: 11}
  read_out: linear
  write_out: linear
factors:
  prediction:   {type: squared_distance, between: [Y, Yhat]}
  recollection: {type: squared_distance, between: [X, Xhat]}
""")
    assert definitions(graph, "before") == {"before[0]": "0", "before[1]": "memory[0]", "before[2]": "memory[1]"}
    assert definitions(graph, "ahead") == {"ahead[0]": "memory[2]", "ahead[1]": "forecast[0]"}
    assert definitions(graph, "after") == {"after[2]": "memory[2]", "after[1]": "recall[2]", "after[0]": "recall[1]"}
    assert graph.values["reader(X[1], before[1])"].arguments == ("X[1]", "before[1]")
    assert graph.variables["before[0]"].shape == (11,)
    assert {"predictor(ahead[0])", "predictor(after[2])"} & set(graph.values) == {"predictor(ahead[0])"}  # both read memory[2]
    assert graph.functions["write_out"].result == (6,)


def test_a_ladder_up_and_down(graph_of: GraphOf) -> None:
    graph = graph_of("""
dims: {width: [5, 4, 3]}
indices: {l: 3}
variables:
  X:        {kind: observed, shape: [7]}
  below:    {is: "relu(clean[l-1])", start: X}
  clean:    up(below)
  above:    {is: "down(restored[l+1])", start: tanh(clean)}
  restored: clean * above
functions:
  up: {type: linear, per: l, units: "width[l]"}
  down: {type: linear, per: l, units: "width[l]"}
factors:
  hidden: {type: squared_distance, between: [clean, restored], weight: "1 / width[l]"}
""")
    assert definitions(graph, "above") == {
        "above[0]": "down[0](restored[1])",
        "above[1]": "down[1](restored[2])",
        "above[2]": "tanh(clean[2])",
    }
    assert [each.shape for each in graph.slots_of("restored")] == [(3,), (4,), (5,)]
    assert (graph.functions["down[1]"].given, graph.functions["down[0]"].given) == ((3,), (4,))


def test_without_a_start_there_is_no_such_slot(graph_of: GraphOf) -> None:
    graph = graph_of("""
indices: {t: 4}
variables:
  Y: {kind: observed, shape: [3], per: t}
  change: "Y[t] - Y[t-1]"
  bend: "change[t+1] - change"
factors:
  slow: {type: l1, of: change}
  smooth: {type: l1, of: bend}
""")
    assert [each.id for each in graph.slots_of("change")] == ["change[1]", "change[2]", "change[3]"]
    assert list(arguments(graph)) == ["slow[1]", "slow[2]", "slow[3]", "smooth[1]", "smooth[2]"]
    assert graph.spec.indices == {"t": 4}


def test_a_long_recursion_is_no_deeper_than_a_short_one(graph_of: GraphOf) -> None:
    graph = graph_of("""
indices: {t: 3000}
variables:
  X: {kind: observed, shape: [2], per: t}
  H: {is: "relu(X + H[t+1])", start: X}
factors:
  fit: {type: l1, of: "H[0]"}
""")
    assert len(graph.slots_of("H")) == 3000
    assert definitions(graph, "H")["H[2999]"] == "X[2999]"


def test_variables_that_are_parts_of_unused_expressions_leave_nothing_behind(graph_of: GraphOf) -> None:
    graph = graph_of("""
indices: {t: 2}
variables:
  Z: {kind: latent, shape: [3], per: t}
factors:
  step: {type: squared_distance, between: [relu(Z), "Z[t+1]"]}
""")
    assert list(graph.values) == ["Z[0]", "Z[1]", "relu(Z[0])"]  # not relu(Z[1]), which was tried at the last slot


CIRCLES = [
    ("A: relu(A)", "A is computed from itself", "A needs A"),
    ("A: relu(B)\n  B: tanh(C)\n  C: A + Y", "A is computed from itself", "A needs B needs C needs A"),
]


@pytest.mark.parametrize(("lines", "message", "chain"), CIRCLES)
def test_a_circle_is_told_once_with_its_chain(lines: str, message: str, chain: str) -> None:
    text = f"factorgraph: 1\nvariables:\n  Y: {{kind: observed, shape: [3]}}\n  {lines}\nfactors:\n  fit: {{type: l1, of: A}}\n"
    with pytest.raises(SpecError) as caught:
        resolve(loads(text))
    (it,) = caught.value.issues
    assert (it.code, it.message, it.notes) == ("FG326", message, (chain,))
    assert it.place is not None and (it.place.line, it.place.column) == (4, 6)


def test_a_circle_through_slots_names_them() -> None:
    text = """factorgraph: 1
indices: {t: 2}
variables:
  A: {is: "relu(B[t-1])", start: "B[last]"}
  B: relu(A)
factors:
  fit: {type: l1, of: A}
"""
    with pytest.raises(SpecError) as caught:
        resolve(loads(text))
    (it,) = caught.value.issues
    assert it.code == "FG326"
    assert it.notes == ("A[0] needs B[1] needs A[1] needs B[0] needs A[0]",)
