"""Dead units get rows of data as columns: the same ones however the run is cut, and the optimizer forgets the old."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from factorgraph import compile as compiler
from factorgraph.errors import SpecError
from factorgraph.spec.load import loads
from factorgraph.training import session, sides
from factorgraph.training.health._base import idle
from factorgraph.training.resampling import Resampling, in_all
from factorgraph.training.session import StoppedError, resume, train
from factorgraph.training.sides import Side, stretches
from tests.training.test_resume import fingerprint

RNG = np.random.default_rng(11)
CLOUDS = (RNG.normal(size=(120, 4)) * 0.3 + 3 * RNG.normal(size=(8, 4))[RNG.integers(8, size=120)]).astype(np.float32)

CLUSTERS = """
factorgraph: 1
variables: {Y: {kind: observed, shape: [4]}, Z: {kind: latent, shape: [8], domain: one_hot}}
functions: {prototypes: {type: linear, bias: false, init: 30}}
factors: {reconstruction: {type: squared_distance, between: [Y, prototypes(Z)], weight: 0.37}}
inference: {nearest: {method: argmin, of: Z}}
learning: {fit: {optimizer: closed_form, epochs: 4, batch_size: 60ON_DEAD}}
data: {source: arrays, file: rows.npz, bind: {Y: Y}}
"""
DICTIONARY = """
factorgraph: 1
variables: {Y: {kind: observed, shape: [4]}, Z: {kind: latent, shape: [9], domain: nonnegative}}
functions: {decoder: {type: linear, bias: false, unit_norm: columns}}
factors:
  fit:    {type: squared_distance, between: [Y, decoder(Z)], weight: 0.37}
  sparse: {type: l1, of: Z, weight: {active_fraction: 0.2}}
inference: {best: {method: argmin, of: Z, steps: 30}}
learning: {fit: {loss: energy, steps: 9, batch_size: 40, learning_rate: 0.01ON_DEAD}}
data: {source: arrays, file: rows.npz, bind: {Y: Y}}
"""
ONLINE = DICTIONARY.replace("learning_rate: 0.01", "optimizer: online_dictionary")
SPECS = {name: (text.replace("[9]", "[24]"), 9) for name, text in (("dictionary", DICTIONARY), ("online", ONLINE))}
SPECS["clusters"] = (CLUSTERS, 8)
REMEDY = ", on_dead: resample"


@pytest.fixture(autouse=True)
def short_looks_and_no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sides, "LEAST", 4)
    for name in ("_pictures", "_all_pictures"):
        monkeypatch.setattr(session, name, lambda *_: None)


def spec_of(text: str, home: Path, remedy: str = REMEDY):
    np.savez(home / "rows.npz", Y=CLOUDS)
    return loads(text.replace("ON_DEAD", remedy), str(home / "s.yaml"))


def test_prototypes_that_nothing_is_near_to_come_to_life(tmp_path):
    """Begun far outside, one prototype takes all, and Lloyd's rule leaves the others where they are."""
    plain = train(spec_of(CLUSTERS, tmp_path, ""), tmp_path / "plain")
    looks = [row["health"]["dead"]["Z"] for row in plain.metrics if "health" in row]
    assert looks[-1] > 0.5 and not any("resampled" in row for row in plain.metrics)
    said: list[str] = []
    run = train(spec_of(CLUSTERS, tmp_path), tmp_path / "run", say=said.append)
    rows = [row for row in run.metrics if "health" in row]
    units = {row["step"]: row["resampled"]["prototypes"] for row in rows if "resampled" in row}
    (told,) = [each for each in said if "new columns" in each]
    many = sum(map(len, units.values()))
    assert len(units) > 1 and told.startswith(f"phase fit: {many} dead units of prototypes got new columns (")
    log = (run.path / "log.txt").read_text()
    for step, numbers in units.items():
        assert f"step {step}: new columns for units {', '.join(map(str, numbers))} of prototypes\n" in log
    assert told in log
    assert rows[0]["health"] == next(row for row in plain.metrics if "health" in row)["health"]
    assert len(rows[0]["resampled"]["prototypes"]) == round(8 * rows[0]["health"]["dead"]["Z"])
    assert rows[-1]["health"]["dead"]["Z"] == 0 and "resampled" not in rows[-1]
    assert run.metrics[-1]["energy"] < 0.5 * plain.metrics[-1]["energy"]


@pytest.mark.parametrize("name", SPECS)
def test_a_run_is_the_same_wherever_it_is_stopped(name, tmp_path):
    text, steps = SPECS[name]
    whole = train(spec_of(text, tmp_path), tmp_path / "whole")
    assert sum("resampled" in row for row in whole.metrics) >= 1, "the case resamples"
    assert fingerprint(train(spec_of(text, tmp_path, ""), tmp_path / "without").path) != fingerprint(whole.path)
    for step in range(1, steps + 1):
        out = tmp_path / f"cut{step}"
        with pytest.raises(StoppedError):
            train(spec_of(text, tmp_path), out, stop_after=step)
        assert fingerprint(resume(out).path) == fingerprint(whole.path), f"stopped after step {step}"


def test_what_was_done_is_told_by_function():
    rows = [{"phase": "fit", "step": 4, "resampled": {"a": [1, 2], "b": [7]}}]
    rows += [{"phase": "fit", "step": 8, "resampled": {"a": [5]}}]
    others = [{"phase": "fit", "step": 9}, {"phase": "more", "step": 12, "resampled": {"a": [3]}}]
    assert list(in_all(rows + others, "fit")) == [
        "phase fit: 3 dead units of a got new columns (2 looks, steps 4 to 8)",
        "phase fit: 1 dead unit of b got new columns (step 4)",
    ]


def resampling_of(text: str, home: Path, present: dict[str, np.ndarray] | None = None):  # type: ignore[type-arg]
    stretch = stretches(compiler.build(spec_of(text, home)), rows=len(CLOUDS))[0]
    players = stretch.sides()
    return Resampling(stretch, players, present or {}), stretch, players


class Told:
    """A look that found some units dead."""

    def __init__(self, units: list[int], of: int):
        self.mask = torch.zeros(of, dtype=torch.bool)
        self.mask[units] = True

    def dead(self, latent: str) -> torch.Tensor:
        return self.mask


def given(rows):
    return {"Y": torch.from_numpy(CLOUDS[rows])}


def test_columns_are_different_rows_on_the_constraint_and_the_others_stay(tmp_path):
    acting, stretch, _ = resampling_of(DICTIONARY, tmp_path)
    matrix = stretch.view.model.tensors()["functions.decoder"]["matrix"]
    before = matrix.detach().clone()
    assert acting.act(Told([1, 4, 7], 9), 37, given) == {"decoder": [1, 4, 7]}
    unit_rows = CLOUDS / np.linalg.norm(CLOUDS, axis=1, keepdims=True)
    placed = [int(np.abs(unit_rows - column.numpy()).sum(1).argmin()) for column in matrix.detach().T[[1, 4, 7]]]
    assert len(set(placed)) == 3
    assert matrix.detach().T[[1, 4, 7]].numpy() == pytest.approx(unit_rows[placed], abs=1e-6)
    others = [0, 2, 3, 5, 6, 8]
    assert matrix.detach()[:, others].numpy() == pytest.approx(before[:, others].numpy(), abs=1e-6)
    again, other, _ = resampling_of(DICTIONARY, tmp_path)
    again.act(Told([1, 4, 7], 9), 37, given)
    assert torch.equal(other.view.model.tensors()["functions.decoder"]["matrix"], matrix)
    again.act(Told([1, 4, 7], 9), 38, given)
    assert not torch.allclose(other.view.model.tensors()["functions.decoder"]["matrix"][:, [1, 4, 7]], matrix[:, [1, 4, 7]])


def test_rows_that_lack_the_variable_are_never_columns(tmp_path):
    has = np.zeros(len(CLOUDS), bool)
    has[[3, 50]] = True
    acting, stretch, _ = resampling_of(CLUSTERS, tmp_path, {"Y": has})
    assert acting.act(Told([0, 2, 5], 8), 1, given) == {"prototypes": [0, 2]}, "there are two rows"
    columns = stretch.view.model.tensors()["functions.prototypes"]["matrix"].detach().T[[0, 2]].numpy()
    assert sorted(columns.tolist()) == sorted(CLOUDS[[3, 50]].tolist())


@pytest.mark.parametrize("optimizer", ["adam", "{type: sgd, momentum: 0.9}", "rprop"])
def test_the_optimizer_forgets_those_columns_alone(optimizer, tmp_path):
    acting, _, (side,) = resampling_of(DICTIONARY.replace("ON_DEAD", f", optimizer: {optimizer}ON_DEAD"), tmp_path)
    assert isinstance(side, Side)
    (parameter,) = side.names.values()
    for _ in range(2):
        side.descend((torch.ones_like(parameter),))
    acting.act(Told([1, 4], 9), 5, given)
    memory = [each for each in side.optimizer.state[parameter].values() if each.shape == parameter.shape]
    assert memory
    fresh = 0.01 if optimizer == "rprop" else 0.0
    for each in memory:
        assert (each[:, [0, 2, 3, 5, 6, 7, 8]] != 0).all()
        assert all(number in (0, pytest.approx(fresh)) for number in each[:, [1, 4]].flatten().tolist())


def test_what_is_active_for_one_odd_sample_is_dead_too():
    counts = torch.tensor([400.0, 1, 0, 380, 30])
    assert idle(counts).tolist() == [False, True, True, False, False]
    assert idle(torch.zeros(3)).all()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("{method: argmin, of: Z}", "{method: amortized, of: Z, by: guess(Y)}"),  # a new column wakes nobody
        ("learning: {fit: {", "learning: {fit: {train: [guess], "),
        ("prototypes(Z)", "prototypes(relu(Z))"),
    ],
)
def test_a_phase_that_has_nothing_to_resample_is_told(old, new, tmp_path):
    guess = "functions: {guess: {type: linear, activation: softmax}, "
    factor = "factors: {near: {type: squared_distance, between: [Z, guess(Y)]}, "
    text = CLUSTERS.replace("functions: {", guess).replace("factors: {", factor).replace("optimizer: closed_form, ", "")
    with pytest.raises(SpecError) as caught:
        compiler.plan(spec_of(text.replace(old, new), tmp_path))
    assert [each.code for each in caught.value.issues] == ["FG553"]
