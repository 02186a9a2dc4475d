"""When steps of learning are recorded: torch's graph is a stand-in here; what it does on a device is in ``test_cuda``."""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from factorgraph.training import replay
from factorgraph.training.pace import Pace
from factorgraph.training.replay import WARM, Replay


class Recorder:
    """Runs the step as it is recorded, and on ``replay`` writes over what it left."""

    def __init__(self) -> None:
        self.replays = 0

    def replay(self) -> None:
        self.replays += 1


class Steps:
    """A step that tells the sum of its batch."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, waits: bool = False, fails: bool = False):
        self.taken: list[Tensor] = []
        self.recording = False

        @contextmanager
        def graph(graph: Recorder, **_: object):
            self.recording = True
            yield
            self.recording = False
            if fails:
                raise RuntimeError("it draws")

        monkeypatch.setattr(torch.cuda, "CUDAGraph", Recorder)
        monkeypatch.setattr(torch.cuda, "graph", graph)
        monkeypatch.setattr(replay, "_heard", lambda step: (waits, step()))
        self.pace = SimpleNamespace(on_host=())
        self.replay = Replay(SimpleNamespace(alike=True, pace=self.pace), "cuda")  # type: ignore[arg-type]

    def __call__(self, given: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        if not self.recording:
            self.taken.append(given["Y"].clone())
        return {"loss": given["Y"].sum()}, {"scale/Y": given["Y"][0]}

    def step(self, value: float, rows: int = 2, apart: bool = False) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        return self.replay({"Y": torch.full((rows, 3), float(value))}, self, lambda: apart)


def test_after_some_steps_one_is_recorded_and_the_others_only_launched(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = Steps(monkeypatch)
    for value in range(WARM):
        steps.step(value)
    assert len(steps.taken) == WARM and steps.replay.graph is None
    first, _ = steps.step(7.0)
    assert steps.replay.graph.replays == 1 and len(steps.taken) == WARM
    steps.step(8.0)
    assert steps.replay.graph.replays == 2 and torch.equal(steps.replay.given["Y"], torch.full((2, 3), 8.0))
    steps.replay.numbers.fill_(0.0)
    assert float(first["loss"]) == 42.0, "what a step has left is its own"


def test_another_batch_or_another_length_of_steps_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = Steps(monkeypatch)
    for _ in range(WARM + 1):
        steps.step(1.0)
    assert steps.replay.graph is not None
    steps.step(1.0, rows=5)
    assert steps.replay.graph is None
    for _ in range(WARM):
        steps.step(1.0, rows=5)
    assert steps.replay.graph is not None
    steps.pace.on_host = (0.1,)
    steps.step(1.0, rows=5)
    assert steps.replay.graph is None


@pytest.mark.parametrize("case", ["waits", "apart", "fails", "cpu", "its sides differ"])
def test_what_may_not_be_recorded_is_taken_as_it_is(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = Steps(monkeypatch, waits=case == "waits", fails=case == "fails")
    if case in ("cpu", "its sides differ"):
        side = SimpleNamespace(alike=case == "cpu", pace=steps.pace)
        steps.replay = Replay(side, "cpu" if case == "cpu" else "cuda")  # type: ignore[arg-type]
    for value in range(WARM + 3):
        numbers, _ = steps.step(value, apart=case == "apart")
        assert float(numbers["loss"]) == 6 * value
    assert len(steps.taken) == WARM + 3 and steps.replay.graph is None and not steps.replay.may


def test_on_a_cpu_steps_go_as_far_as_the_schedule_says_and_counters_stay() -> None:
    weights = [torch.ones(2, requires_grad=True) for _ in range(2)]
    optimizer = torch.optim.Adam([{"params": [each]} for each in weights], lr=1.0)
    pace = Pace(optimizer, [0.1, 0.4], SimpleNamespace(factor=lambda progress: 1 - progress))  # type: ignore[arg-type]
    pace.at(0.5)
    assert [group["lr"] for group in optimizer.param_groups] == [0.05, 0.2] and pace.on_host == (0.05, 0.2)
    assert not any(group["capturable"] for group in optimizer.param_groups)
