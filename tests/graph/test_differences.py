"""What two specs mean differently: nothing that is only written differently, everything that is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from factorgraph.graph.differences import diff, text
from factorgraph.spec.load import load, loads, specs
from factorgraph.spec.write import as_yaml

SPEC = """factorgraph: 1
dims: {side: 2, code: 3, gain: 0.5}
indices: {t: 2}
variables:
  Y: {kind: observed, shape: [side * side]}
  Z: {kind: latent, shape: [code], per: t}
  H: relu(gain * Y)
functions:
  decoder: {type: linear, bias: false}
  encoder: linear
factors:
  fit: {type: squared_distance, between: [Y, "decoder(Z[t])"], weight: 0.5 / size(Y)}
  prediction: {type: squared_distance, between: ["Z[0]", encoder(H)]}
  sparsity: {type: l1, of: "Z[t]"}
inference:
  best: {method: argmin, of: Z, solver: block_coordinate}
  fast: {method: amortized, of: Z, by: encoder(H)}
learning:
  first: {loss: energy, steps: 4, only: [fit, prediction]}
  second: {loss: {main: energy, rest: {type: energy, weight: 0.1}}, epochs: 7}
data:
  source: curve
  count: 40
  bind: {Y: point}
  prepare: [remove_mean, {whiten: 0.02}]
variants: {heavy: {factors.sparsity.weight: 2}}
expect:
  low: {claim: "it is low", metric: energy(best) / energy(fast), at_most: 100}
"""
SAME = """# another hand
factorgraph: 1
title: The same in other words
dims: {code: 2 + 1, half: 0.5, side: 2}
indices: {t: 2}
expect:
  low: {metric: "energy( best ) / (energy(fast))", claim: "it is low", at_most: 1e2, seeds: 1}
variants: {heavy: {factors.sparsity.weight: 2}}
variables:
  H: {is: "relu(( half * Y ))"}
  Y: {kind: observed, shape: 4, domain: real}
  Z: {kind: latent, shape: [code], per: t}
functions:
  encoder: {type: linear, bias: true}
  decoder: {type: linear, bias: false, units: 4}
factors:
  sparsity: {type: l1, of: "Z[ t ]", weight: 1}
  prediction: {type: squared_distance, between: ["Z[0]", "encoder(H)"]}
  fit: {type: squared_distance, between: [Y, "decoder(Z)"], weight: 0.125}
inference:
  best: {method: argmin, of: [Z], solver: {type: block_coordinate}}
  fast: {method: amortized, of: Z, by: encoder(H)}
learning:
  first: {only: [prediction, fit], steps: 4, optimizer: adam}
  second: {loss: {rest: {type: energy, weight: 0.1}, main: {type: energy}}, epochs: 7}
data: {prepare: [{type: remove_mean}, {whiten: {floor: 0.02}}], bind: {Y: point}, count: 40, source: curve}
"""


def told(before: str, after: str) -> dict[str, tuple[str, str, str]]:
    found = diff(loads(before, "a.yaml"), loads(after, "b.yaml"))
    return {each.address: (each.change, each.before, each.after) for each in found}


def test_comments_order_titles_short_forms_defaults_and_constants_mean_nothing() -> None:
    after = SAME.replace('"decoder(Z)"', '"decoder(Z[t])"')
    assert told(SPEC, after) == {}


@pytest.mark.parametrize("name", sorted(each.name for each in specs() if each.name))
def test_a_filled_spec_means_the_same(name: str) -> None:
    spec = load(name)
    assert diff(spec, loads(spec.full(), spec.document.file)) == ()


def test_so_does_one_whose_factors_and_functions_stand_in_another_order() -> None:
    values = load("psd").document.values
    turned = {block: dict(reversed(values[block].items())) for block in ("variables", "functions", "factors", "expect")}
    assert diff(load("psd"), loads(as_yaml(dict(reversed({**values, **turned}.items()))))) == ()


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("code: 3", "code: 4", {"dims.code": ("changed", "3", "4"), "variables.Z.shape": ("changed", "[3]", "[4]")}),
        ("gain: 0.5", "gain: 0.6", {"variables.H.is": ("changed", "relu(gain * Y)", "relu(gain * Y)")}),
        ("kind: latent,", "kind: latent, domain: nonnegative,", {"variables.Z.domain": ("changed", "real", "nonnegative")}),
        ("encoder: linear", "encoder: {type: linear, gain: true}", {"functions.encoder.gain": ("changed", "false", "true")}),
        ("weight: 0.5 / size(Y)", "weight: 0.5", {"factors.fit.weight": ("changed", "0.125", "0.5")}),
        ("type: l1", "type: log_cosh", {"factors.sparsity.type": ("changed", "l1", "log_cosh")}),
        ("steps: 4,", "epochs: 4,", {"learning.first.steps": ("changed", "4", "–")}),
        ("weight: 0.1}", "weight: 0.2}", {"learning.second.loss.rest.weight": ("changed", "0.1", "0.2")}),
        ("whiten: 0.02", "whiten: 0.03", {"data.prepare.1.floor": ("changed", "0.02", "0.03")}),
        ("count: 40", "count: 50", {"data.count": ("changed", "40", "50")}),
        ("at_most: 100", "at_most: 10", {"expect.low.at_most": ("changed", "100.0", "10.0")}),
        ("sparsity.weight: 2", "sparsity.weight: 3", {"variants.heavy.factors.sparsity.weight": ("changed", "2", "3")}),
        ("indices:", "seed: 7\nindices:", {"seed": ("changed", "0", "7")}),
        ('  sparsity: {type: l1, of: "Z[t]"}\n', "", {"factors.sparsity": ("removed", '{type: l1, of: "Z[t]"}', "")}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_difference_has_its_address(old: str, new: str, wanted: dict[str, tuple[str, str, str]]) -> None:
    spec, other = SPEC, SPEC.replace(old, new)
    if not new:  # the factor of which the variant speaks
        spec, other = (each.replace("variants: {heavy: {factors.sparsity.weight: 2}}\n", "") for each in (spec, other))
    found = told(spec, other)
    assert wanted.items() <= found.items()
    assert {each.split(".")[0] for each in found} <= {each.split(".")[0] for each in wanted} | {"dims", "expect"}
    turned = {"added": "removed", "removed": "added", "changed": "changed"}
    assert told(other, spec) == {key: (turned[change], after, before) for key, (change, before, after) in found.items()}


def test_a_dim_says_why_and_is_nothing_by_itself() -> None:
    assert told(SPEC, SPEC.replace("gain: 0.5}", "gain: 0.5, spare: 1}")) == {}
    assert "dims.code" in told(SPEC, SPEC.replace("code: 3", "code: 4"))
    assert told(SPEC.replace("gain: 0.5}", "gain: 0.5, spare: 1}"), SPEC.replace("gain: 0.5}", "gain: 0.5, spare: 2}")) == {}


def test_an_order_that_means_something_is_told() -> None:
    lines = SPEC.splitlines(keepends=True)

    def swapped(name: str) -> str:
        at = next(number for number, line in enumerate(lines) if line.startswith(f"  {name}:"))
        return "".join([*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]])

    assert told(SPEC, swapped("best")) == {"inference.first for Z": ("changed", "best", "fast")}
    assert told(SPEC, swapped("first")) == {"learning.order": ("changed", "first, second", "second, first")}


def test_what_differs_from_slot_to_slot_is_one_line() -> None:
    after = SPEC.replace('of: "Z[t]"}', 'of: "Z[t]", weight: "1 + t"}')
    assert told(SPEC, after)["factors.sparsity.weight"] == ("changed", "1.0", "by slot: 1.0, 2.0")


def test_a_fragments_entries_are_compared_as_the_specs_own(tmp_path: Path) -> None:
    (tmp_path / "part.yaml").write_text(SPEC.partition("learning:")[0])
    use = "factorgraph: 1\nuse: {a: {file: part.yaml, bind: {Y: X}, with: {code: 3}}}\n"
    use += "variables: {X: {kind: observed, shape: [4]}}\n"
    spec = loads(use, str(tmp_path / "spec.yaml"))
    found = diff(spec, loads(use.replace("code: 3", "code: 5"), str(tmp_path / "spec.yaml")))
    assert "a.variables.Z.shape" in {each.address for each in found}


def test_a_line_says_where_both_come_from() -> None:
    before, after = loads(SPEC, "a.yaml"), loads(SPEC.replace("count: 40", "count: 50"), "b.yaml")
    assert text(diff(before, after)) == "~ data.count  40 -> 50  # a.yaml:23 -> b.yaml:23"


def test_no_other_spec_that_ships_means_the_same() -> None:
    """Each variant differs from its spec, in what it says."""
    for name in ("lista", "toy/kmeans", "psd_hierarchy"):
        spec = load(name)
        for variant in spec.variants:
            if not variant.startswith("filters"):
                assert diff(spec, spec.variant(variant)), f"{name}@{variant}"
