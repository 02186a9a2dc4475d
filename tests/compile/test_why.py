"""What there is to say of a value: where it comes from, what it means, what is allowed, who changes and who uses it."""

from __future__ import annotations

from pathlib import Path

import pytest

from factorgraph.compile.why import Answer, text, why
from factorgraph.errors import SpecError, address
from factorgraph.registry import FAMILIES, leaves
from factorgraph.spec.addresses import walked
from factorgraph.spec.describe import allowed, schema_of
from factorgraph.spec.load import load, specs
from factorgraph.spec.write import filled

SPEC = """factorgraph: 1
dims: {code: 3, half: code / 2}
variables:
  Y: {kind: observed, shape: [4]}
  Z: {kind: latent, shape: [2 * code]}
functions:
  decoder: {type: linear, bias: false}
  encoder: linear
factors:
  fit: {type: squared_distance, between: [Y, decoder(Z)]}
  prediction: {type: squared_distance, between: [Z, encoder(Y)]}
  sparsity: {type: l1, of: Z, weight: half}
inference:
  best: {method: argmin, of: Z, without: prediction}
  fast: {method: amortized, of: Z, by: encoder(Y)}
learning:
  early: {loss: energy, steps: 4, train: decoder, set: {factors.sparsity.weight: 0.1}}
  late: {loss: energy, steps: 7}
data: {source: curve, count: 40, bind: {Y: point}}
variants: {heavy: {factors.sparsity.weight: 2}, other: {factors.sparsity: {type: log_cosh, of: Z}}}
budgets: {full: {dims.code: 30}}
expect: {low: {claim: "sparsity is low", metric: value(sparsity), at_most: 100}}
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.yaml").write_text(SPEC)
    return "s.yaml"


def one(name: str, key: str, *options: str) -> Answer:
    (answer,) = why(load(name, options), key)
    return answer


def test_a_value_with_all_that_there_is_to_say_of_it(file: str) -> None:
    answer = one("s.yaml@heavy", "factors.sparsity.weight", "factors.sparsity.weight=5")
    assert (answer.value, answer.origin) == ("5", "--set")
    assert answer.over == ("2  # s.yaml:20 (variant heavy)", "half  # s.yaml:12")
    assert answer.means == "what the factor is multiplied by (1)"
    assert "active_fraction" in answer.allowed
    assert answer.changed == (
        "variant heavy: 2  # s.yaml:20",
        "variant other: {type: log_cosh, of: Z}  # s.yaml:20",
        "phase early: 0.1  # s.yaml:17",
    )
    assert answer.used == ("expect.low.metric", "inference.best counts it", "inference.fast counts it")


def test_a_constant_says_what_number_it_is(file: str) -> None:
    assert one(file, "factors.sparsity.weight").value == "half = 1.5"
    assert one(file, "variables.Z.shape", "dims.code=4").value == '["2 * code"] = [8]'
    assert one(file, "dims.half").value == "code / 2 = 1.5"


def test_who_uses_what(file: str) -> None:
    assert one(file, "dims.code").used == ("dims.half", "variables.Z.shape")
    assert one(file, "dims.half").used == ("factors.sparsity.weight",)
    assert one(file, "functions.decoder").used == ("factors.fit.between", "learning.early.train", "learning.early trains it",
                                                   "learning.late trains it")  # fmt: skip
    assert one(file, "factors.prediction.weight").used == ("inference.best.without", "inference.fast counts it")
    assert "data.bind" in one(file, "variables.Y").used
    assert one(file, "dims.code").changed == ("budget full: 30  # s.yaml:21",)


def test_a_default_and_what_is_left_out(file: str) -> None:
    answer = one(file, "functions.encoder.bias")
    assert (answer.value, answer.origin, answer.over, answer.allowed) == ("true", "default", (), "true, false")
    answer = one(file, "functions.encoder.unit_norm")
    assert (answer.value, answer.allowed) == ("left out", "rows, columns")
    assert "fista" in one(file, "inference.best.solver").allowed.split(", ")
    assert one(file, "functions.decoder.type").means == "which function it is"


def test_what_stands_in_a_list_is_asked_for_by_its_number(file: str) -> None:
    assert one(file, "variables.Z.shape.0").value == '"2 * code" = 6'
    assert one(file, "factors.fit.between.1").value == "decoder(Z)"
    assert one("psd", "data.prepare.2.floor").value == "0.02"


@pytest.mark.parametrize(
    ("key", "wanted"),
    [
        ("sparsity.weight", ["factors.sparsity.weight"]),
        ("decoder", ["functions.decoder"]),
        ("steps", ["inference.best.steps", "learning.early.steps", "learning.late.steps"]),
    ],
)
def test_the_end_of_an_address_is_enough(file: str, key: str, wanted: list[str]) -> None:
    found = why(load(file), key)
    assert [each.address for each in found] == wanted
    assert len(text(found).splitlines()) == (len(wanted) if len(wanted) > 1 else len(str(found[0]).splitlines()))


def test_what_a_fragment_gives_comes_from_its_file_or_its_use(file: str, tmp_path: Path) -> None:
    use = "factorgraph: 1\nuse: {a: {file: s.yaml, bind: {Y: X}, with: {code: 5}}}\n"
    (tmp_path / "top.yaml").write_text(f"{use}variables: {{X: {{kind: observed, shape: [4]}}}}\n")
    answer = one("top.yaml", "a.dims.code")
    assert (answer.value, answer.origin, answer.over) == ("5", "top.yaml:2 (with)", ("3  # s.yaml:2",))
    answer = one("top.yaml", "a.factors.sparsity.weight")
    assert (answer.value, answer.origin) == ("half = 2.5", "s.yaml:12")
    assert "inference.a.best counts it" in answer.used


@pytest.mark.parametrize(
    ("key", "message", "replacement"),
    [
        ("wieght", 'nothing in s is called "wieght". Did you mean "weight"?', "weight"),
        ("factors.sparsty.weight", 'there is no "sparsty" in "factors". Did you mean "sparsity"?', "factors.sparsity.weight"),
        ("factors.fit.wieght", 'there is no "wieght" in "factors.fit". Did you mean "weight"?', "factors.fit.weight"),
        ("qqqqqq", 'nothing in s is called "qqqqqq"', None),
        ("", 'nothing in s is called ""', None),
        ("..", None, None),
        ("factors.", None, None),
        ("dims.code.more", None, None),
    ],
)
def test_what_is_not_there_is_told_with_what_was_meant(
    file: str, key: str, message: str | None, replacement: str | None
) -> None:
    with pytest.raises(SpecError) as caught:
        why(load(file), key)
    (found,) = caught.value.issues
    assert found.code == "FG211" and found.place is not None
    if message:
        assert (found.message, found.replacement) == (message, replacement)


@pytest.mark.parametrize("name", sorted(each.name for each in specs() if each.name)[::4])
def test_every_value_of_a_spec_has_a_meaning(name: str) -> None:
    """Each field that is written with a default out can be explained, and says what may stand there."""
    spec = load(name)
    for block in ("variables", "functions", "factors", "inference", "learning"):
        for entry, values in filled(spec).get(block, {}).items():
            for key in values:
                at = address((block, entry, key))
                _, _, here = walked(spec.document, at)
                assert here.family or here.field or key in ("weight", "per"), at


def test_every_field_of_every_leaf_says_what_is_allowed() -> None:
    for family in FAMILIES:
        for leaf in leaves(family).values():
            for key, schema in schema_of(leaf)["properties"].items():
                assert allowed(schema) or key in ("transform",), f"{leaf.__name__}.{key}: {schema}"
