"""Names in lists of names: which slots they mean inside an entry that is repeated, and what they stand for."""

from __future__ import annotations

from typing import Any

import pytest

from factorgraph.errors import SpecError
from factorgraph.spec.load import loads
from factorgraph.spec.references import standing_for

TEXT = """factorgraph: 1
indices: {k: 3, j: 2}
variables:
  Y: {kind: observed, shape: [4]}
  Z: {kind: latent, shape: [3]}
functions: {decoder: {type: linear, bias: false}}
factors:
  near: {type: squared_distance, between: [Y, decoder(Z)]}
  few: {type: l1, of: Z}
inference:
  best: {method: argmin, of: Z}
  family: {method: unrolled, per: k, of: Z, solver: ista, steps: k + 1, free: filter}
learning:
  one: %s
"""


def phase(text: str, k: int) -> Any:
    return loads(TEXT % text).learning["one"].at({"k": k})


def test_the_slot_of_the_entrys_own_index_is_put_in() -> None:
    text = '{per: k, loss: energy, inference: "family[k]", train: ["family[ k ]", "family[k - 1]", "family[last]", decoder]}'
    for k in range(3):
        found = phase(text, k)
        assert found.inference == (f"family[{k}]",)
        assert found.train == (f"family[{k}]", f"family[{k - 1}]", "family[last]", "decoder")


def test_so_it_is_in_losses_and_players() -> None:
    text = """{per: k, players: {a: {loss: {near: {type: imitation, teacher: "family[k]", student: ["family[k+1]", best]}}},
      b: {loss: energy, train: "family[k]"}}}"""
    found = phase(text, 1).players
    loss = found["a"].loss["near"].loss
    assert (loss.teacher, loss.student) == ("family[1]", ("family[2]", "best"))
    assert found["b"].train == ("family[1]",)


@pytest.mark.parametrize(
    ("text", "code", "told"),
    [
        ('{loss: energy, inference: "family[k]"}', "FG316", 'the index "k" has no slot here'),
        ('{per: k, loss: energy, inference: "family[j]"}', "FG316", "per: j"),
        ('{loss: energy, inference: "family[3]"}', "FG410", "family has the slots 0 to 2"),
        ('{loss: energy, train: "family[-1]"}', "FG410", r"family\[-1\] is not there"),
        ('{loss: energy, train: "decoder[0]"}', "FG410", "decoder has no slots"),
        ('{loss: {type: imitation, teacher: "best[0]", student: family}}', "FG410", "best has no slots"),
        ('{loss: energy, train: "family[x]"}', "FG209", 'there is no index "x"'),
        ('{loss: energy, train: "family[1-1]"}', "FG209", 'there is no index "1"'),
    ],
)
def test_a_slot_that_is_not_there_is_told(text: str, code: str, told: str) -> None:
    with pytest.raises(SpecError, match=told) as caught:
        loads(TEXT % text)
    (found,) = caught.value.issues
    assert found.code == code
    assert found.place is not None and found.place.line == 14


IDS = ("best", "family[0]", "family[1]", "family[10]", "first.code", "first.code[0]", "familiar", "encoder", "encoder.activation")


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("best", ["best"]),
        ("family", ["family[0]", "family[1]", "family[10]"]),
        ("family[1]", ["family[1]"]),
        ("family[ 1 ]", ["family[1]"]),
        ("family[last]", ["family[10]"]),
        ("family[2]", []),
        ("first", ["first.code", "first.code[0]"]),
        ("first.code", ["first.code", "first.code[0]"]),
        ("encoder", ["encoder", "encoder.activation"]),
        ("famil", []),
        ("best[last]", []),
    ],
)
def test_what_a_name_stands_for(written: str, wanted: list[str]) -> None:
    assert standing_for(written, IDS) == wanted


def test_what_is_called_after_one_slot_stands_with_it() -> None:
    ids = ("stage[0]", "stage[0].activation", "stage[1].activation")
    assert standing_for("stage[0]", ids) == ["stage[0]", "stage[0].activation"]
    assert standing_for("stage", ids) == list(ids)
