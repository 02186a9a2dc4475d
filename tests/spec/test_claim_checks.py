"""Claims that no figure can meet are told when a spec is loaded, at their place."""

from __future__ import annotations

import pytest

from factorgraph.errors import SpecError
from factorgraph.spec.load import loads

SPEC = """
factorgraph: 1
dims: {T: [1, 3]}
indices: {k: 2}
variables:
  Y: {kind: observed, shape: [6]}
  Z: {kind: latent, shape: [8]}
functions:
  decoder: {type: linear, bias: false, unit_norm: columns}
factors:
  reconstruction: {type: squared_distance, between: [Y, decoder(Z)], weight: 0.5}
  sparsity: {type: l1, of: Z, weight: 0.37}
inference:
  optimal: {method: argmin, of: Z, steps: 20}
  net: {method: unrolled, per: k, of: Z, solver: ista, steps: "T[k] + 1", free: [filter]}
learning:
  fit: {loss: energy, steps: 3, inference: optimal}
data: {source: planted_codes, units: 6, atoms: 8, count: 40, bind: {Y: signal}}
expect:
  a: {claim: x, %s}
"""


@pytest.mark.parametrize(
    ("claim", "said"),
    [
        ("metric: column_norm(decoder), at_most: 1", "a figure for each unit"),
        ('metric: "energy(net[0])", rises_with: k', "there is no trend with it"),
        ('metric: "fit[3].energy(optimal)", at_most: 1', "fit has no slots"),
        ('metric: "energy(net[7])", at_most: 1', "k has 2 slots"),
        ("metric: energy(optimal), at_least: 3, at_most: 1", "exchange them"),
        ("metric: energy(optimal), report: true, control: start", "has no control"),
    ],
)
def test_what_cannot_be_met_is_told_at_its_place(claim: str, said: str) -> None:
    with pytest.raises(SpecError, match=said) as caught:
        loads(SPEC % claim)
    assert [each.place is not None for each in caught.value.issues] == [True]


@pytest.mark.parametrize(
    "claim",
    [
        "metric: largest(column_norm(decoder)), at_most: 1",
        'metric: "energy(net[k])", rises_with: k',
        'metric: "energy(net[1]) / energy(net[last])", at_most: 1',
        "metric: fit.energy(optimal), at_least: 1, at_most: 1",
    ],
)
def test_what_can_be_is_let_through(claim: str) -> None:
    loads(SPEC % claim)


@pytest.mark.parametrize(
    ("metric", "said", "allowed"),
    [
        ("discrimination(4)", "a number is no phase", "fit"),
        ("energy(decoder(Z))", "what is computed is no procedure", "optimal, net"),
        ("discrimination(fti)", 'there is no phase "fti". Did you mean "fit"', "fit"),
    ],
)
def test_what_is_no_name_is_told_with_the_names_that_there_are(metric: str, said: str, allowed: str) -> None:
    with pytest.raises(SpecError) as caught:
        loads(SPEC % f"metric: {metric}, at_least: 0.9")
    (told,) = caught.value.issues
    assert said in told.message and told.allowed == allowed
    assert told.place is not None and told.place.text[told.place.column - 1 :].startswith(metric.partition("(")[2][:-1])


@pytest.mark.parametrize(("of", "code"), [("['foo(Z)']", "FG2"), ("[decoder(Z), Y]", "FG667")])
def test_a_figure_of_a_value_is_of_one_that_there_is(of: str, code: str) -> None:
    text = SPEC % "metric: energy(optimal), at_most: 1" + "figures: {f: {type: progressive, of: %s}}\n"
    loads(text % "decoder(Z)")
    with pytest.raises(SpecError, match=code):
        loads(text % of)
