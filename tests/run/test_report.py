"""The report of a model, against its parts."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from factorgraph.run.measured import Measured
from factorgraph.run.report import evaluate

_SPEC = importlib.util.spec_from_file_location("fakes", Path(__file__).parent / "fakes.py")
fakes = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(fakes)


@pytest.fixture
def on():
    rng = np.random.default_rng(5)
    decoder = rng.standard_normal((6, 3)).astype(np.float32)
    model = fakes.FakeModel(decoder, decoder.T.copy())
    kinds = {"optimal": "argmin", "fast": "amortized"}
    model.spec.inference = {name: SimpleNamespace(first=SimpleNamespace(type=kind)) for name, kind in kinds.items()}
    return Measured(model, fakes.dataset(rng.standard_normal((40, 6))))


def test_every_procedure_is_reported_and_shares_add_up(on):
    report = evaluate(on)
    assert [each.procedure for each in report.procedures] == ["optimal", "fast"]
    for each in report.procedures:
        assert sum(each.shares.values()) == pytest.approx(each.energy, rel=1e-6)
    optimal, fast = report.procedures
    assert (optimal.out_of_steps, fast.out_of_steps, optimal.steps) == (1.0, 0.0, 60.0)
    (gap,) = report.compared
    assert (gap.fast, gap.search) == ("fast", "optimal")
    assert gap.gap == pytest.approx(fast.energy - optimal.energy)
    assert gap.relative_gap == pytest.approx(fast.energy / optimal.energy - 1)
    assert gap.gap > 0


def test_one_procedure(on):
    report = evaluate(on, "fast")
    assert [each.procedure for each in report.procedures] == ["fast"]
    assert report.compared == ()


def test_energies_that_are_no_numbers_are_counted(on):
    on.given["Y"][:10] = np.nan
    report = evaluate(on, "fast")
    assert report.procedures[0].not_finite == 0.25
    assert "samples without a finite energy" in report.text()
    assert report.as_dict()["procedures"]["fast"]["energy"] is None
    json.dumps(report.as_dict(), allow_nan=False)


def test_the_text_is_a_table(on):
    lines = evaluate(on).text().splitlines()
    assert lines[0] == "40 test samples, means per sample"
    assert lines[1].split() == ["optimal", "fast"]
    assert [line.split()[0] for line in lines[2:6]] == ["energy", "reconstruction", "prediction", "sparsity"]
    assert len({len(line) for line in lines[1:8]}) == 1
    assert lines[-1].startswith("amortization gap of fast to optimal: ")
