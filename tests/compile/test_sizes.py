"""The table of parameters that explain prints."""

from __future__ import annotations

from factorgraph import compile as compiler
from factorgraph.compile.sizes import count, describe
from factorgraph.graph.resolve import resolve
from factorgraph.spec.load import loads
from tests.compile.specs import PSD, spec

NETWORK = """factorgraph: 1
variables:
  Y: {kind: observed, shape: [3, 32, 32]}
  L: {kind: observed, shape: [10]}
functions:
  f: {type: network, layers: (128)3c-(256)3c-2p-(256)3c-(512)3c-2p-(512)3c-(512)3c-2p-(512)3c-(512)3c-2p-128fc-bn-fc}
factors:
  fit: {type: squared_distance, between: [L, f(Y)]}
"""


def test_every_function_with_its_shapes_and_its_number() -> None:
    lines = describe(resolve(spec(PSD))).splitlines()
    assert [line.split()[0] for line in lines] == ["parameters", "decoder", "encoder", "encoder.activation"]
    assert [line.split()[-1] for line in lines] == ["80", "35", "40", "5"]
    assert "[5] -> [7]" in lines[1] and "linear" in lines[1]


def test_layers_by_themselves_and_what_is_kept_left_out() -> None:
    graph = resolve(loads(NETWORK))
    by_print = 11_771_786 - 128 + 2 * 128  # bn has a gain and a shift, and takes the bias's place
    assert count(graph.functions["f"].parameters) == by_print
    text = describe(graph)
    assert f"{by_print:,}" in text
    assert "(128)3c 3,584 - (256)3c 295,168 - 2p - " in text
    assert all(len(line) <= 104 for line in text.splitlines())
    assert sum(each.numel() for each in compiler.build(loads(NETWORK)).parameters()) == by_print


def test_nothing_is_said_where_nothing_is_learned() -> None:
    only = "variables: {Y: {kind: observed, shape: [3]}}\nfactors: {f: {type: squared_distance, between: [Y, 0]}}\n"
    assert describe(resolve(loads("factorgraph: 1\n" + only))) == ""
