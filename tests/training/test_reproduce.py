"""Claims about variants and seeds: what is trained for them, and that the figures are those of these runs."""

from __future__ import annotations

import json

import pytest

import factorgraph as fg
from factorgraph.errors import SpecError
from factorgraph.registry import leaves
from factorgraph.spec.load import loads
from factorgraph.training.reproduce import jobs, reproduce
from factorgraph.training.session import StoppedError, train

SPEC = """
factorgraph: 1
seed: 4
indices: {p: 2}
dims: {rate: [0.1, 0.01]}
variables:
  Y: {kind: observed, shape: [2]}
  Z: {kind: latent, shape: [2]}
functions:
  decoder: {type: linear, bias: false, unit_norm: columns}
factors:
  reconstruction: {type: squared_distance, between: [Y, decoder(Z)]}
  sparsity: {type: l1, of: Z, weight: 0.37}
inference:
  optimal: {method: argmin, of: Z, steps: 5}
learning:
  fit: {loss: energy, steps: 12, batch_size: 8, learning_rate: 0.05}
data: {source: curve, count: 40, bind: {Y: point}}
variants:
  heavy: {factors.sparsity.weight: 5}
  idle: {learning.fit.steps: 0}
  wide: {learning.fit.learning_rate: "rate[p]"}
budgets:
  full: {learning.fit.steps: 6}
expect:
  low:     {claim: "it costs little", metric: energy(optimal), at_most: 100}
  lower:   {claim: "a heavy l1 costs more", metric: heavy.energy(optimal) / energy(optimal), at_least: 1, seeds: 2, take: worst}
  learns:  {claim: "learning lowers it", metric: energy(optimal) / start.energy(optimal), at_most: 0.999999, control: idle}
  nothing: {claim: "any energy is positive", metric: energy(optimal), at_least: 0, control: idle}
  longer:  {claim: "at the full size", metric: heavy.energy(optimal), at_most: 100, budget: full}
figures:
  apart:   {type: scatter, of: heavy.column_norm(decoder)}
  absent:  {type: scatter, of: "wide[0].column_norm(decoder)"}
"""


@pytest.fixture
def spec(tmp_path):
    return loads(SPEC, str(tmp_path / "small.yaml"))


def test_what_the_claims_need_is_trained_and_nothing_else(spec):
    needed = [(each.variant, each.seed) for each in jobs(spec)]
    assert needed == [("", 4), ("heavy", 4), ("idle", 4), ("", 5), ("heavy", 5)]
    assert [(each.variant, each.seed) for each in jobs(spec.budget("full"), "full")] == [("heavy", 4)]
    assert {each.spec.seed for each in jobs(spec) if each.seed == 5} == {5}


def test_members_of_families_are_runs_of_their_own(tmp_path):
    text = SPEC.replace("  low: ", "  wider: {claim: c, metric: \"wide[p].energy(optimal)\", falls_with: p}\n  low: ")
    variants = [each.variant for each in jobs(loads(text, "small.yaml"))]
    assert variants[:3] == ["", "wide[0]", "wide[1]"]
    folders = [each.folder for each in jobs(loads(text, "small.yaml"))]
    assert len(set(folders)) == len(folders)
    assert folders[1].startswith("wide-0-seed4-")


def test_claims_are_judged_on_the_runs_that_they_name(spec, tmp_path):
    made = reproduce(spec, tmp_path / "out")
    found = {each.name: each for each in made.verdicts}
    energy = leaves("metrics")["energy"](type="energy")
    for seed, shown in zip((4, 5), found["lower"].seeds, strict=True):
        plain, heavy = (
            train(one.with_changes({"seed": seed}, "test"), tmp_path / f"{name}{seed}").measured()
            for name, one in (("plain", spec), ("heavy", spec.variant("heavy")))
        )
        assert shown == (energy.measure(heavy, "optimal") / energy.measure(plain, "optimal"),)
    assert found["lower"].values == (min(each[0] for each in found["lower"].seeds),)
    assert {name: each.verdict for name, each in found.items()} == {
        "low": "holds",
        "lower": "holds",
        "learns": "holds",
        "nothing": "fails",
        "longer": "not measured",
    }
    assert found["learns"].control == (1.0,)
    assert made.exit_status == 1
    stored = json.loads((tmp_path / "out" / "claims-laptop.json").read_text())
    assert stored["claims"][1]["values"] == list(found["lower"].values)
    assert len(stored["runs"]) == 5
    drawn = [each.name for each in (tmp_path / "out" / "figures").iterdir()]
    assert drawn == ["apart.png"], "of what was trained; the run of the spec itself has no variant to draw"


def test_runs_that_are_there_are_used_again_and_stopped_ones_go_on(spec, tmp_path):
    job = next(iter(jobs(spec)))
    with pytest.raises(StoppedError):
        train(job.spec, tmp_path / "out" / job.folder, stop_after=2)
    said: list[str] = []
    reproduce(spec, tmp_path / "out", say=said.append)
    assert any("from step 2" in each for each in said)
    said.clear()
    again = reproduce(spec, tmp_path / "out", say=said.append)
    assert sum("already there" in each for each in said) == 5
    assert {len(run.metrics) for run in again.runs.values()} == {13, 1}  # twelve steps and a measurement; the idle one only that
    changed = spec.with_changes({"factors.sparsity.weight": 0.2}, "test")
    reproduce(changed, tmp_path / "out", say=said.append, seeds=1)
    assert sum("already there" in each for each in said) == 5 + 1  # only the heavy variant replaces the weight that changed


def test_seeds_are_those_of_the_command_where_it_names_some(spec, tmp_path):
    reproduce(spec, tmp_path / "out", seeds=1)
    said: list[str] = []
    made = reproduce(spec, tmp_path / "out", seeds=3, say=said.append)
    assert sum("already there" in each for each in said) == 3  # claims are not what a run depends on
    assert made.seeds == (4, 5, 6)
    assert all(len(each.seeds) == 3 for each in made.verdicts if each.verdict != "not measured")
    assert "by seed" in made.text()


def test_a_spec_without_claims_is_refused(tmp_path):
    text = SPEC[: SPEC.index("expect:")]
    with pytest.raises(SpecError, match="claims nothing") as error:
        reproduce(loads(text, "small.yaml"), tmp_path)
    assert error.value.issues[0].code == "FG640"
    assert fg.SpecError is SpecError
