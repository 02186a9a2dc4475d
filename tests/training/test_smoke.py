"""Every spec that ships runs at its smallest size, in a second or two without pictures: trained, measured, its table printed."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch

from factorgraph.errors import DataError
from factorgraph.spec.load import load, specs
from factorgraph.training import session
from factorgraph.training.reproduce import Reproduction, reproduce

SHARED = Path(__file__).parents[3] / "shared" / "data"
SECONDS = 4  # of the processor: one on a machine that does nothing else, and a few times that where cores and caches are shared
SLOWER = {  # codes of whole pictures; of the last one three, searched anew after each of four phases
    **{"convolutional_sparse_coding": 12, "convolutional_psd": 12, "deconvolutional_network": 12},
    **{"psd_hierarchy": 12, "pedestrian_convnet": 24},
}


@pytest.fixture
def without_pictures(monkeypatch):
    """Drawing has tests of its own, and takes longer than all the rest; so does what torch imports at its first step."""
    for name in ("_draw", "_pictures", "_all_pictures"):
        monkeypatch.setattr(session, name, lambda *args: None)
    monkeypatch.setattr(Reproduction, "draw", lambda *args: None)
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    yield
    torch.use_deterministic_algorithms(before)


@pytest.mark.parametrize("name", [each.name for each in specs() if each.name])
@pytest.mark.usefixtures("without_pictures")
def test_a_spec_runs_at_its_smallest_size(name, tmp_path):
    spec = load(name)
    begin = time.process_time()
    try:
        made = reproduce(spec, tmp_path, budget="smoke", data=(SHARED,) if SHARED.is_dir() else ())
    except DataError as error:
        if error.issues[0].code != "FG525":
            raise
        pytest.skip(f"{error.issues[0].message}, neither in FACTORGRAPH_DATA nor in ../shared/data")
    seconds = time.process_time() - begin
    assert len(made.runs) == 1
    assert all(run.metrics for run in made.runs.values())
    assert {each.verdict for each in made.verdicts if spec.expect[each.name].budget != "smoke"} == {"not measured"}
    assert all(claim in made.text() for claim in spec.expect)
    assert made.exit_status == 0
    assert made.runs["", spec.seed].evaluate().report.as_dict()
    assert seconds < SLOWER.get(name, SECONDS)
