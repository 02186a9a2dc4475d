"""A run that is stopped after any step and gone on with equals one that was not, bit for bit."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from torch import Generator, Tensor

from factorgraph.compile.model import Model
from factorgraph.run.folder import RunFolder
from factorgraph.spec.load import loads
from factorgraph.training.session import StoppedError, resume, train
from tests.training.specs import RUN

STEPS = 5 + 7  # five, and one epoch of a hundred rows by sixteen


def fingerprint(path: Path) -> tuple[str, str]:
    """SHA-256 of the parameters and of metrics.jsonl."""
    checkpoint = RunFolder.open(path).load_latest()
    digest = hashlib.sha256()
    for name, tensor in sorted(checkpoint.tensors["model"].items()):
        digest.update(name.encode() + tensor.numpy().tobytes())
    return digest.hexdigest(), hashlib.sha256((path / "metrics.jsonl").read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    run = train(loads(RUN), tmp_path_factory.mktemp("whole") / "run")
    assert run.folder.is_done
    assert len(run.metrics) == STEPS + 2  # and a held-out row for each phase
    return fingerprint(run.path)


@pytest.mark.parametrize("step", range(1, STEPS + 1))
def test_every_step_can_be_the_last_of_a_sitting(step: int, whole: tuple[str, str], tmp_path: Path) -> None:
    with pytest.raises(StoppedError, match="--resume"):
        train(loads(RUN), tmp_path / "run", stop_after=step, workers=2 * (step % 2))
    run = resume(tmp_path / "run", workers=2 * (step // 2 % 2))
    assert run.folder.is_done
    assert fingerprint(run.path) == whole


def test_two_runs_with_one_seed_are_equal_and_with_another_are_not(whole: tuple[str, str], tmp_path: Path) -> None:
    assert fingerprint(train(loads(RUN), tmp_path / "same", workers=2).path) == whole
    assert fingerprint(train(loads(RUN), tmp_path / "other", seed=4).path) != whole


def test_every_step_of_every_phase_has_noise_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[bytes] = []
    with_noise = Model.with_noise

    def watched(self: Model, given: dict[str, Tensor], generator: Generator | None = None) -> dict[str, Tensor]:
        known = with_noise(self, given, generator)
        if generator is not None:  # of learning; what inference draws belongs to the seed alone
            drawn.append(known["N"].numpy().tobytes())
        return known

    monkeypatch.setattr(Model, "with_noise", watched)
    train(loads(RUN), tmp_path / "run")
    assert len(drawn) == len(set(drawn)) == STEPS


def test_a_finished_run_learns_on_when_told_to(whole: tuple[str, str], tmp_path: Path) -> None:
    train(loads(RUN), tmp_path / "run")
    run = resume(tmp_path / "run", epochs=2)
    assert fingerprint(run.path) != whole
    steps = [row["step"] for row in run.metrics if row["split"] == "train"]
    assert steps == list(range(1, 5 + 13 + 1))
    assert run.spec.learning["joint"].first.epochs == 2


@pytest.mark.parametrize(
    ("broken", "where"),
    [("moments", "optimizers"), ("position", "position"), ("means", "buffers")],
)
def test_the_test_sees_what_is_not_restored(
    broken: str, where: str, whole: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forgetting the optimizer's memory, or the place in the phase, changes the result: the comparison would notice."""
    from dataclasses import replace

    from factorgraph.training.loop import Position, Trainer

    honest = Trainer.restore

    def forgetful(self: Trainer, checkpoint: object) -> None:
        if broken == "moments":
            checkpoint = replace(checkpoint, state={**checkpoint.state, "optimizers": {}})  # type: ignore[type-var,attr-defined]
        honest(self, checkpoint)  # type: ignore[arg-type]
        if broken == "means":
            for each in self.model.buffers():
                each.zero_()
        if broken == "position":
            self.position = Position(self.position.phase, max(self.position.step - 1, 0), self.position.total)

    monkeypatch.setattr(Trainer, "restore", forgetful)
    with pytest.raises(StoppedError):
        train(loads(RUN), tmp_path / "run", stop_after=3)
    assert fingerprint(resume(tmp_path / "run").path) != whole
