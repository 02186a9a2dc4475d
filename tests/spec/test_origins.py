"""A filled spec says of each value where it came from, and a run remembers it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from factorgraph.errors import SpecError
from factorgraph.spec.load import divided, load, loads
from factorgraph.spec.schema import Spec

SPEC = """factorgraph: 1
dims: {code: 3}
variables:
  Y: {kind: observed, shape: [2]}
  Z: {kind: latent, shape: [code]}
functions: {decoder: linear}
factors:
  fit: {type: squared_distance, between: [Y, decoder(Z)]}
  sparsity: {type: l1, of: Z}
inference: {best: {method: argmin, of: Z, solver: fista}}
learning:
  short: energy
  long: {loss: energy, epochs: 7, schedule: linear}
data:
  source: curve
  count: 40
  bind: {Y: point}
  prepare: [remove_mean, {whiten: 0.02}, {whiten: {kept: 2}}, {type: unit_norm}]
variants:
  heavy: {factors.sparsity.weight: 2, learning.long.steps: 4}
budgets:
  full: {dims.code: 30}
"""


def told(spec: Spec) -> dict[str, str]:
    """What the filled text says, by address."""
    found: dict[str, str] = {}
    above: list[str] = []
    for line in spec.full(origins=True).splitlines():
        if match := re.match(r"( *)(- )?([\w.]+):(.*?)(?:  # (.*))?$", line):
            depth = len(match[1] + (match[2] or "")) // 2
            above = [*above[:depth], match[3]]
            found[".".join(above)] = match[5] or ""
    return found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "s.yaml"
    path.write_text(SPEC)
    return path


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("factorgraph", "s.yaml:1"),
        ("seed", "default"),
        ("dims.code", "s.yaml:2"),
        ("variables.Z.domain", "default"),
        ("functions.decoder.type", "s.yaml:6"),
        ("functions.decoder.bias", "default"),
        ("factors.fit.between", "s.yaml:8"),
        ("factors.sparsity.weight", "default"),
        ("inference.best.solver.type", "s.yaml:10"),
        ("inference.best.solver.restart", "default"),
        ("learning.short.loss.type", "s.yaml:12"),
        ("learning.short.loss.weight", "default"),
        ("learning.short.epochs", "default"),
        ("learning.long.epochs", "s.yaml:13"),
        ("learning.long.optimizer.type", "default"),
        ("learning.long.schedule.type", "s.yaml:13"),
        ("data.count", "s.yaml:16"),
    ],
)
def test_a_value_says_its_line_or_that_it_is_a_default(file: Path, address: str, origin: str) -> None:
    assert told(load(file))[address] == origin


def test_steps_in_each_of_their_forms(file: Path) -> None:
    text = load(file).full(origins=True)
    (steps,) = re.findall(r"  prepare:\n(.*?)\n  \w", text, re.DOTALL)
    said = [(line.split("#")[0].strip(" -"), line.split("# ")[1]) for line in steps.splitlines()]
    line = "s.yaml:18"
    assert said[:3] == [("type: remove_mean", line), ("type: whiten", line), ("floor: 0.02", line)]
    assert said[3][1] == line and said[-1] == ("type: unit_norm", line)
    assert said[4] == ("kept: 2", line)


@pytest.mark.parametrize(
    ("state", "options", "address", "origin"),
    [
        ("@heavy", (), "factors.sparsity.weight", "s.yaml:20 (variant heavy)"),
        ("@heavy", (), "learning.long.steps", "s.yaml:20 (variant heavy)"),
        ("@heavy", (), "learning.long.schedule.type", "s.yaml:13"),
        ("@heavy", ("factors.sparsity.weight=5",), "factors.sparsity.weight", "--set"),
        ("@full", (), "dims.code", "s.yaml:22 (budget full)"),
        ("@heavy@full", (), "dims.code", "s.yaml:22 (budget full)"),
        ("@heavy@full", (), "factors.sparsity.weight", "s.yaml:20 (variant heavy)"),
        ("@smoke", (), "learning.long.batch_size", "budget smoke"),
        ("", ("functions.decoder.bias=false",), "functions.decoder.bias", "--set"),
        ("", ("functions.decoder.bias=false",), "functions.decoder.type", "s.yaml:6"),
    ],
)
def test_a_change_says_whose_it_is(file: Path, state: str, options: tuple[str, ...], address: str, origin: str) -> None:
    assert told(load(f"{file}{state}", options))[address] == origin


def test_the_last_word_has_what_is_set(file: Path) -> None:
    assert load(f"{file}@heavy", ["factors.sparsity.weight=5"]).factors["sparsity"].weight() == 5


def test_lengths_of_all_phases_touch_nothing_else(file: Path) -> None:
    said = told(load(file).for_steps(epochs=2, origin="--epochs"))
    assert (said["learning.short.epochs"], said["learning.long.epochs"]) == ("--epochs", "--epochs")
    assert (said["learning.short.loss.type"], said["learning.long.schedule.type"]) == ("s.yaml:12", "s.yaml:13")


def test_what_a_filled_text_says_of_itself_is_kept_where_it_is_recalled(file: Path) -> None:
    spec = load(f"{file}@heavy", ["dims.code=4"])
    text = spec.full(origins=True)
    read = loads(text, "spec.full.yaml")
    assert told(read)["dims.code"].startswith("spec.full.yaml:")
    again = replace(read, document=read.document.recalled())
    assert again.full(origins=True) == text
    later = told(again.with_changes({"learning.long.epochs": 9}, "--epochs"))
    assert later["learning.long.epochs"] == "--epochs"
    assert {key: each for key, each in later.items() if key != "learning.long.epochs"}.items() <= told(spec).items()


def test_in_python_values_come_from_python() -> None:
    import factorgraph as fg

    b = fg.Builder("mine")
    Z = b.latent("Z", shape=3)
    b.factor("size", fg.factors.L1(of=Z))
    said = told(b.spec().with_changes({"factors.size.weight": 2}, "a test"))
    assert said["variables.Z.shape"] == "Python" and said["variables.Z.domain"] == "default"
    assert said["factors.size.weight"] == "a test"


@pytest.mark.parametrize(
    ("name", "wanted"), [("psd", ("psd", ())), ("psd@a@b[last]", ("psd", ("a", "b[last]"))), ("a@", ("a@", ()))]
)
def test_states_stand_behind_a_name(name: str, wanted: tuple[str, tuple[str, ...]]) -> None:
    assert divided(name) == wanted


def test_a_file_may_have_the_sign_in_its_name(tmp_path: Path) -> None:
    (tmp_path / "me@home").mkdir()
    file = tmp_path / "me@home" / "a@b.yaml"
    file.write_text(SPEC)
    assert load(file) == load(str(file))
    assert load(f"{file}@full").dims["code"] == 30


def test_a_state_that_is_not_there_is_told_with_what_is(file: Path) -> None:
    with pytest.raises(SpecError) as caught:
        load(f"{file}@haevy")
    (found,) = caught.value.issues
    assert 'Did you mean "heavy"?' in found.message and found.place.file == str(file)
    assert found.allowed == "heavy, smoke, laptop, full"
