"""Weights that are tuned: to a share of active units, and to a share of the weight at which all is zero."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from factorgraph import compile as compiler
from factorgraph.cli.explain_ import _plan as explained
from factorgraph.compile.targets import largest_weight
from factorgraph.errors import SpecError
from factorgraph.graph.drawing.words import formula
from factorgraph.graph.resolve import resolve
from factorgraph.run.measured import Measured
from factorgraph.spec.load import loads
from factorgraph.training import session
from factorgraph.training.loop import graph_hash
from factorgraph.training.session import train

RNG = np.random.default_rng(5)
ATOMS = RNG.normal(size=(12, 6)) / np.sqrt(6)
CODES = RNG.laplace(size=(300, 12)) * (RNG.random((300, 12)) < 0.2)
SIGNALS = (CODES @ ATOMS + 0.05 * RNG.normal(size=(300, 6))).astype(np.float32)

SPEC = """
factorgraph: 1
seed: 2
variables: {Y: {kind: observed, shape: [6]}, Z: {kind: latent, shape: [12]DOMAIN}}
functions: {decoder: {type: linear, bias: false, unit_norm: columns}}
factors:
  fit:    {type: squared_distance, between: [Y, decoder(Z)], weight: 0.37}
  sparse: {type: l1, of: Z, weight: WEIGHT}
inference: {best: {method: argmin, of: Z, steps: 200, tolerance: 1e-6}}
learning: {fit: {loss: energy, steps: 150, batch_size: 60, learning_rate: 0.005}}
data: {source: arrays, file: rows.npz, bind: {Y: Y}}
"""


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_pictures", "_all_pictures"):
        monkeypatch.setattr(session, name, lambda *_: None)


def spec_of(weight: str, home: Path, domain: str = "", **changes):
    np.savez(home / "rows.npz", Y=SIGNALS)
    text = SPEC.replace("WEIGHT", weight).replace("DOMAIN", domain)
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    return loads(text, str(home / "s.yaml"))


def test_the_wanted_share_of_units_is_active_and_held_out_samples_see_the_weight_that_was_reached(tmp_path):
    run = train(spec_of("{active_fraction: 0.15}", tmp_path), tmp_path / "run")
    rows = [row for row in run.metrics if row["split"] == "train"]
    assert np.mean([row["active"] for row in rows[-60:]]) == pytest.approx(0.15, rel=0.1)
    weights = [row["weights"]["sparse"] for row in rows]
    assert len(set(weights)) > 100
    reached = float(run.model.tensors()["factors.sparse"]["weight"])
    assert abs(np.log(reached / weights[-1])) <= 0.0501 and reached != 1
    on = Measured(run.model, run.dataset)
    held_out = on.solved("best")
    code = held_out.variables["Z"].numpy()
    assert (code != 0).mean() == pytest.approx(0.15, rel=0.25)  # thirty rows
    assert held_out.shares["sparse"].numpy() == pytest.approx(reached * np.abs(code).sum(1), rel=1e-5)
    assert on.factor_values("sparse", held_out).numpy() == pytest.approx(np.abs(code).sum(1), rel=1e-5)
    report = run.evaluate().report
    assert report.as_dict()["weights"] == {"sparse": pytest.approx(reached)}
    assert f"\nweight of sparse, as it was tuned: {reached:.4g}" in report.text()
    test = next(row for row in run.metrics if row["split"] == "test")
    assert test["shares"]["sparse"] == pytest.approx(reached * np.abs(code).sum(1).mean(), rel=1e-5)


@pytest.mark.parametrize("domain", ["real", "nonnegative"])
def test_the_largest_weight_is_where_the_last_unit_goes_out(domain, tmp_path):
    """For sums of squares of weight w it is max |2 w D'y|; without the magnitude where units are kept nonnegative."""
    model = compiler.build(spec_of("{of_maximum: 0.5}", tmp_path, f", domain: {domain}"))
    y = torch.from_numpy(SIGNALS[:40])
    pull = 2 * 0.37 * SIGNALS[:40] @ model.get_parameter("functions.decoder.matrix").detach().numpy()
    wanted = (np.abs(pull) if domain == "real" else pull).max(1)
    weight = model.tensors()["factors.sparse"]["weight"]
    weight.fill_(0.83)  # what it is now changes nothing
    found = largest_weight(model.inferences["best"], "sparse", {"Y": y}, model.in_use())
    assert found.numpy() == pytest.approx(wanted, rel=1e-5)
    weight.copy_(found.max())
    assert not model.infer(Y=y)["Z"].any()
    weight.fill_(0.99 * float(wanted.max()))
    assert model.infer(Y=y)["Z"].any(1).sum() == (wanted > 0.99 * wanted.max()).sum()


def test_at_the_maximum_all_codes_are_zero_and_a_phase_begins_with_it(tmp_path):
    def trained(share: str, out: str):
        one = spec_of(f"{{of_maximum: {share}}}", tmp_path, "", **{"steps: 150": "steps: 1"})
        return train(one, tmp_path / out)

    run = trained("1", "all")
    first = next(row for row in run.metrics if row["split"] == "train")
    start = compiler.build(run.spec)
    columns = start.get_parameter("functions.decoder.matrix").detach().numpy()
    largest = float(np.abs(2 * 0.37 * run.dataset.train["Y"] @ columns).max())
    assert first["active"] == 0 and first["weights"]["sparse"] == pytest.approx(largest, rel=1e-5)
    half = next(row for row in trained("0.5", "half").metrics if row["split"] == "train")
    assert half["active"] > 0 and half["weights"]["sparse"] == pytest.approx(0.5 * largest, rel=1e-5)


def test_a_phase_without_steps_has_tuned_nothing(tmp_path):
    """The next one begins its weight from the data, as if it were the first."""
    idle = {"learning: {fit": "learning: {idle: {loss: energy, steps: 0}, fit", "steps: 150": "steps: 1"}
    firsts = [
        next(row["weights"]["sparse"] for row in train(one, tmp_path / name).metrics if row["split"] == "train")
        for name, one in (
            ("alone", spec_of("{active_fraction: 0.15}", tmp_path, "", **{"steps: 150": "steps: 1"})),
            ("behind", spec_of("{active_fraction: 0.15}", tmp_path, "", **idle)),
        )
    ]
    assert firsts[0] == firsts[1] != 1


def test_a_second_penalty_is_taken_off(tmp_path):
    two = spec_of("{of_maximum: 1}", tmp_path, "", **{"factors:": "factors:\n  too: {type: l1, of: Z, weight: 0.21}"})
    model = compiler.build(two)
    y = torch.from_numpy(SIGNALS[:9])
    alone = compiler.build(spec_of("{of_maximum: 1}", tmp_path))
    both, one = (largest_weight(each.inferences["best"], "sparse", {"Y": y}, each.in_use()) for each in (model, alone))
    assert both.numpy() == pytest.approx((one - 0.21).clamp_min(0).numpy(), abs=1e-6)


def test_a_phase_may_put_a_number_in_its_place(tmp_path):
    warm = "learning: {warm: {loss: energy, steps: 3, set: {factors.sparse.weight: 0.2}}, fit"
    two = spec_of("{of_maximum: 0.4}", tmp_path, "", **{"learning: {fit": warm, "steps: 150": "steps: 2"})
    run = train(two, tmp_path / "run")
    seen = [row["weights"]["sparse"] for row in run.metrics if row["split"] == "train"]
    assert seen[:3] == pytest.approx([0.2] * 3) and seen[3] == seen[4] and abs(seen[3] - 0.2) > 0.05


@pytest.mark.parametrize(
    ("weight", "code", "said"),
    [
        ("{active_fraction: 5}", "FG550", "below 1, not 5"),
        ("{active_fraction: 1}", "FG550", "below 1"),
        ("{of_maximum: 0}", "FG550", "above 0"),
        ("{of_maximum: [1]}", "FG550", "a list"),
        ("{}", "FG550", "none"),
        ("{active_fraction: 0.1, of_maximum: 0.1}", "FG550", "one key"),
        ("{activ_fraction: 0.1}", "FG550", 'Did you mean "active_fraction"'),
        ("{active_fraction: share}", "FG311", "share"),
    ],
)
def test_what_is_no_target_is_told_with_what_is(weight, code, said, tmp_path):
    with pytest.raises(SpecError) as caught:
        spec_of(weight, tmp_path)
    (issue,) = caught.value.issues
    assert issue.code == code and said in str(caught.value) and issue.path == ("factors", "sparse", "weight")


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("l1, of: Z", "log_cosh, of: Z", "FG551"),  # no magnitudes
        ("l1, of: Z", "l1, of: Y", "FG551"),  # of nothing that is searched
        ("{method: argmin, of: Z,", "{method: argmin, of: Z, without: [sparse],", "FG551"),
    ],
)
def test_what_nothing_tunes_is_refused(old, new, code, tmp_path):
    spec = spec_of("{of_maximum: 0.5}", tmp_path, "", **{old: new})
    with pytest.raises(SpecError) as caught:
        compiler.plan(spec)
    assert [each.code for each in caught.value.issues] == [code]


def test_a_phase_cannot_tune_what_the_spec_gives_a_number(tmp_path):
    with pytest.raises(SpecError) as caught:
        changed = {"learning: {fit: {": "learning: {fit: {set: {factors.sparse.weight: {of_maximum: 0.1}}, "}
        compiler.plan(spec_of("0.5", tmp_path, "", **changed))
    assert [each.code for each in caught.value.issues] == ["FG552"]


def test_it_is_drawn_explained_and_hashed_by_its_target_not_by_what_it_came_to(tmp_path):
    graphs = [resolve(spec_of(weight, tmp_path)) for weight in ("{active_fraction: 0.15}", "{active_fraction: 0.2}", "1")]
    assert len({graph_hash(each) for each in graphs}) == 3
    assert formula(graphs[0], graphs[0].factors["sparse"]).startswith("λ · ")
    spec_of("{active_fraction: 0.15}", tmp_path)
    (tmp_path / "s.yaml").write_text(graphs[0].spec.document.text)
    assert "weight tuned until 0.15 of the units are active" in explained(str(tmp_path / "s.yaml"), ())
    full = loads(graphs[0].spec.full(), str(tmp_path / "s.yaml"))
    assert full.factors["sparse"].weight() == graphs[0].spec.factors["sparse"].weight()
