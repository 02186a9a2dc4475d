"""What ends a run: an energy that grows without end; of losses that are no energies, only one that rises."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from factorgraph import compile as compiler
from factorgraph.errors import DataError, RunError
from factorgraph.spec.load import loads
from factorgraph.training.guard import RUNAWAY, Guard
from factorgraph.training.objective import LOSS
from factorgraph.training.session import train

TEXT = """
factorgraph: 1
variables:
  Y: {kind: observed, shape: [16], domain: binary}
functions:
  lateral: {type: linear, bias: false}
factors:
  interaction: {type: inner_product, between: [Y, lateral(Y)]}
  field:       {type: bias, of: Y}
learning: {fit: {loss: LOSS, steps: 60, batch_size: 30, learning_rate: 0.05}}
data: {source: arrays, file: rows.npz, test: 10, bind: {Y: bits}}
"""
ROW = {"phase": "fit", "player": "model", "step": 1}


def looked_at(loss: str, *rows: tuple[float, float]) -> None:
    """A guard sees the loss, and the energy of the first factor, at each step."""
    model = compiler.build(loads(TEXT.replace("LOSS", loss)))
    folder: Any = SimpleNamespace(load_latest=lambda: SimpleNamespace(path="here", step=0))
    guard = Guard(folder, model)
    sides: Any = [SimpleNamespace(plan=SimpleNamespace(player="model"), player=model.spec.learning["fit"].first.sides()["model"])]
    for value, energy in rows:
        guard.check(ROW, {LOSS: value, "interaction": energy, "field": 0.0}, sides)


def test_an_energy_may_not_grow_without_end_and_what_is_no_energy_may() -> None:
    looked_at("energy", (0.2, 0.2), (100.0, 100.0), (-100.0, -100.0))
    with pytest.raises(RunError, match=r'FG671.*factor "interaction"'):
        looked_at("energy", (0.2, 0.2), (-3 * RUNAWAY, -3 * RUNAWAY))
    looked_at("ratio_matching", (0.2, 0.2), (-3 * RUNAWAY, -3 * RUNAWAY), (0.1, 3 * RUNAWAY))


def test_a_loss_that_is_no_energy_may_not_rise_without_end() -> None:
    looked_at("ratio_matching", (-3.0, 0.2), (0.5 * RUNAWAY, 0.2))
    with pytest.raises(RunError, match=r"FG671.*the loss runs away: it is at 1.5e.04, and began at -3"):
        looked_at("ratio_matching", (-3.0, 0.2), (1.5 * RUNAWAY, 0.2))
    with pytest.raises(RunError, match=r"FG670.*the loss is not a number"):
        looked_at("ratio_matching", (-3.0, 0.2), (float("inf"), 0.2))


def test_flips_of_bits_are_learned_from_and_logged(tmp_path: Path) -> None:
    first = np.random.default_rng(0).integers(0, 2, (60, 8))
    np.savez(tmp_path / "rows.npz", bits=np.concatenate([first, first], 1).astype(np.float32))  # each bit twice
    for loss in ("ratio_matching", "pseudo_likelihood", "minimum_probability_flow"):
        run = train(loads(TEXT.replace("LOSS", loss), str(tmp_path / "spec.yaml")), tmp_path / loss)
        losses = [row["loss"] for row in run.metrics if row["split"] == "train"]
        assert losses[-1] < 0.8 * losses[0]


def test_bits_that_are_none_are_refused(tmp_path: Path) -> None:
    grey = np.random.default_rng(0).integers(0, 2, (60, 16)).astype(np.float32)
    grey[0, 3] = 0.37
    np.savez(tmp_path / "rows.npz", bits=grey)
    with pytest.raises(DataError, match=r"FG562: ratio_matching flips the units of Y .* and 0\.00125 of its values"):
        train(loads(TEXT.replace("LOSS", "ratio_matching"), str(tmp_path / "spec.yaml")), tmp_path / "run")
