"""A remedy is whole or not there: a run that ends in the middle of one goes on as if nothing had happened."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from factorgraph.errors import RunError, issue
from factorgraph.run.metrics_log import MetricsLog
from factorgraph.training import session
from factorgraph.training.resampling import Resampling
from factorgraph.training.session import resume, train
from factorgraph.training.tuning import Tuning
from tests.training.test_resampling import CLUSTERS, spec_of
from tests.training.test_resume import fingerprint

TWO = CLUSTERS.replace("epochs: 4", "epochs: 3")


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_pictures", "_all_pictures"):
        monkeypatch.setattr(session, name, lambda *_: None)


class DiedError(Exception):
    """What a killed process looks like from inside."""


def half_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """The columns are there, the optimizer still remembers the old ones."""
    honest = Resampling._write

    def write(self: Resampling, columns: Any, units: list[int], rows: torch.Tensor) -> None:
        self.sides = ()
        honest(self, columns, units[:1], rows[:1])
        raise DiedError

    monkeypatch.setattr(Resampling, "_write", write)


def without_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """All is done but written down: the disk is full."""
    honest = MetricsLog.append

    def append(self: MetricsLog, row: dict[str, Any]) -> None:
        if "resampled" in row:
            raise RunError(issue("FG604", "the disk is full"))
        honest(self, row)

    monkeypatch.setattr(MetricsLog, "append", append)


@pytest.mark.parametrize("dies", [half_written, without_its_row])
def test_a_run_that_ends_in_the_middle_of_a_remedy_repeats_it(
    dies: Callable[[pytest.MonkeyPatch], None], tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(spec_of(TWO, tmp_path), tmp_path / "whole")
    assert any("resampled" in row for row in whole.metrics)
    with monkeypatch.context() as broken, pytest.raises((DiedError, RunError)):
        dies(broken)
        train(spec_of(TWO, tmp_path), tmp_path / "run")
    again = resume(tmp_path / "run")
    assert fingerprint(again.path) == fingerprint(whole.path)


def test_a_run_that_dies_while_a_weight_is_measured_measures_it_again(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = CLUSTERS.replace("domain: one_hot", "domain: real").replace("optimizer: closed_form, epochs: 4", "steps: 2")
    text = text.replace("factors: {", "factors: {sparse: {type: l1, of: Z, weight: {of_maximum: 0.3}}, ").replace("ON_DEAD", "")
    text = text.replace("fit: {", "warm: {steps: 2, set: {factors.sparse.weight: 0.2}}, fit: {")
    whole = train(spec_of(text, tmp_path), tmp_path / "whole")
    honest = Tuning.begin

    def begin(self: Tuning, batches: Any, known: Any = ()) -> None:
        honest(self, batches, known)
        if self.by:
            self._weight("sparse").fill_(37.0)
            raise DiedError

    with monkeypatch.context() as broken, pytest.raises(DiedError):
        broken.setattr(Tuning, "begin", begin)
        train(spec_of(text, tmp_path), tmp_path / "run")
    assert fingerprint(resume(tmp_path / "run").path) == fingerprint(whole.path)
