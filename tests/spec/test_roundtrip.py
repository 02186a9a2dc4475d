"""YAML to Spec to YAML to Spec is the identity; every default can be written out; editors' schema agrees with ours."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factorgraph.graph.resolve import resolve
from factorgraph.spec.describe import json_schema
from factorgraph.spec.document import read
from factorgraph.spec.load import folder, load, loads, specs
from factorgraph.spec.write import as_yaml

SHIPPED = sorted(each.path for each in specs() if each.name)
ALL = sorted(folder().rglob("*.yaml"))
VALIDATOR = jsonschema.Draft202012Validator(json_schema())


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_a_spec_written_and_read_again_is_the_same(file: Path) -> None:
    spec = load(file)
    again = loads(spec.to_yaml(), str(file))
    assert again == spec
    assert again.to_yaml() == spec.to_yaml()


@pytest.mark.parametrize("file", ALL, ids=lambda file: file.stem)
def test_any_file_written_and_read_again_has_the_same_values(file: Path) -> None:
    values = read(file.read_text(), str(file)).values
    assert read(as_yaml(values), str(file)).values == values


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_a_spec_with_every_default_written_out_is_the_same(file: Path) -> None:
    spec = load(file)
    full = loads(spec.full(), str(file))
    assert full == spec
    assert full.full() == spec.full()


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_a_spec_filled_with_origins_is_the_same_graph(file: Path) -> None:
    spec = load(file)
    told = loads(spec.full(origins=True), str(file))
    assert told == spec and told.full() == spec.full()
    before, after = resolve(spec), resolve(told)
    for part in ("values", "functions", "factors", "entries"):
        assert getattr(after, part) == getattr(before, part)


GAME = """
factorgraph: 1
variables:
  Y: {kind: observed, shape: [4]}
  Z: {kind: latent, shape: [3]}
functions: {decoder: linear, encoder: linear}
factors:
  reconstruction: {type: squared_distance, between: [Y, decoder(Z)]}
  prediction: {type: squared_distance, between: [Z, encoder(Y)], weight: 0.37}
inference: {optimal: {method: argmin, of: Z}}
learning:
  game:
    steps: 3
    learning_rate: 0.02
    players:
      one: {train: decoder, loss: {type: energy, weight: 2, only: reconstruction}}
      two: {train: encoder, optimizer: sgd, steps: 2}
"""


def test_a_game_with_every_default_written_out_is_the_same() -> None:
    spec = loads(GAME)
    full = loads(spec.full())
    assert full == spec and full.full() == spec.full()
    assert loads(spec.to_yaml()) == spec
    players = read(spec.full(), "x.yaml").values["learning"]["game"]["players"]
    assert players["two"]["loss"] == {"energy": {"type": "energy", "weight": 1.0, "without": []}}
    assert players["one"]["loss"] == {"type": "energy", "weight": 2, "only": "reconstruction", "without": []}
    VALIDATOR.validate(read(spec.full(), "x.yaml").values)


def test_what_was_left_out_is_written_out() -> None:
    text = load("psd").full()
    for words in ("weight: 1.0", "betas: [0.9, 0.999]", "batch_size: 100", "domain: real", "bias: true"):
        assert words in text


def test_two_specs_that_differ_in_one_value_are_not_equal() -> None:
    spec = load("psd")
    for address, value in (("seed", 1), ("dims.code", 255), ("factors.sparsity.weight", 0.99), ("learning.warm.steps", 499)):
        assert spec.with_changes({address: value}, "Python") != spec


def test_a_default_written_out_by_hand_changes_nothing() -> None:
    spec = load("psd")
    assert spec.with_changes({"factors.prediction.weight": 1, "inference.optimal.steps": 100}, "Python") == spec


scalars = st.one_of(
    st.text(max_size=12).filter(lambda text: text.isprintable()),
    st.integers(-(10**9), 10**9),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.none(),
    st.sampled_from(["1e-3", "no", "017", "1_000", "~", "null", "a, b", "f(x)", "a[0]", "- x", "# x", "x: y", "1:30", ""]),
)
words = st.from_regex(r"[a-z][a-z_0-9.]{0,8}", fullmatch=True)
nested = lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3)  # noqa: E731
values = st.recursive(scalars, nested, max_leaves=8)


@given(st.dictionaries(words, values, min_size=1, max_size=4))
@settings(max_examples=150, deadline=None)
def test_whatever_is_written_reads_back(given: dict[str, object]) -> None:
    assert read(as_yaml(given), "x.yaml").values == given


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_the_editors_schema_accepts_every_shipped_spec_and_its_full_form(file: Path) -> None:
    VALIDATOR.validate(read(file.read_text(), str(file)).values)
    VALIDATOR.validate(read(load(file).full(), str(file)).values)


@pytest.mark.parametrize("name", ["unknown_key", "unknown_block", "unknown_type", "missing_key", "not_a_domain", "version"])
def test_the_editors_schema_refuses_what_we_refuse(name: str) -> None:
    file = Path(__file__).parent.parent / f"bad_specs/{name}.yaml"
    assert list(VALIDATOR.iter_errors(read(file.read_text(), str(file)).values))
