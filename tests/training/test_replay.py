"""When steps of learning are recorded: torch's graph is a stand-in here; what it does on a device is in ``test_cuda``."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from factorgraph.kernels.build import SWITCH
from factorgraph.training import replay
from factorgraph.training.pace import Pace
from factorgraph.training.replay import WARM, Replay


class Recorder:
    """Keeps the step that is recorded, and on ``replay`` writes over what it left."""

    def __init__(self) -> None:
        self.replays = 0

    def replay(self) -> None:
        self.replays += 1
        numbers, shown = self.again()
        self.replay_of.numbers.copy_(torch.stack([*numbers.values()]))
        for key, each in shown.items():
            self.replay_of.made[1][key].copy_(each)


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
            graph.replay_of, graph.again = self.replay, lambda: self.made(self.replay.given)
            if fails:
                raise RuntimeError("it draws")

        monkeypatch.setattr(torch.cuda, "CUDAGraph", Recorder)
        monkeypatch.setattr(torch.cuda, "graph", graph)
        for name in ("device", "stream"):
            monkeypatch.setattr(torch.cuda, name, lambda *_: nullcontext())
        monkeypatch.setattr(torch.cuda, "current_stream", lambda *_: None)
        monkeypatch.setattr(replay, "_heard", lambda step: (waits, step()))
        self.pace = SimpleNamespace(on_host=(), on_device=True)
        self.replay = Replay(SimpleNamespace(alike=True, pace=self.pace), "cuda")  # type: ignore[arg-type]

    def __call__(self, given: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        if not self.recording:
            self.taken.append(given["Y"].clone())
        return self.made(given)

    def made(self, given: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        return {"loss": given["Y"].sum()}, {"scale/Y": given["Y"][0].clone()}

    def step(self, value: float, rows: int = 2, more: bool = False) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        return self.replay({"Y": torch.full((rows, 3), float(value))}, self, lambda: more)


def test_after_some_steps_one_is_recorded_and_the_others_only_launched(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = Steps(monkeypatch)
    for value in range(WARM):
        steps.step(value)
    assert len(steps.taken) == WARM and steps.replay.graph is None
    own = torch.full((2, 3), 7.0)
    first, seen = steps.replay({"Y": own}, steps, lambda: False)
    second, _ = steps.step(8.0)
    assert steps.replay.graph.replays == 2 and len(steps.taken) == WARM
    assert float(first["loss"]) == 42.0 and (seen["scale/Y"] == 7.0).all(), "what a step has left is its own"
    assert float(second["loss"]) == 48.0 and (own == 7.0).all(), "and so is its batch"


def test_a_batch_of_another_shape_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = Steps(monkeypatch)
    for _ in range(WARM + 1):
        steps.step(1.0)
    graph = steps.replay.graph
    assert float(steps.step(1.0, rows=5)[0]["loss"]) == 15.0
    assert len(steps.taken) == WARM + 1 and steps.replay.graph is graph
    assert float(steps.step(2.0)[0]["loss"]) == 12.0 and graph.replays == 2


def test_another_length_of_steps_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = Steps(monkeypatch)
    for _ in range(WARM + 1):
        steps.step(1.0)
    steps.pace.on_host = (0.1,)
    steps.step(1.0)
    assert steps.replay.graph is None and len(steps.taken) == WARM + 1
    for _ in range(WARM):
        steps.step(1.0)
    assert steps.replay.graph is not None


@pytest.mark.parametrize("case", ["waits", "more", "fails", "cpu", "its sides differ", "on the host", "switched off"])
def test_what_may_not_be_recorded_is_taken_as_it_is(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = Steps(monkeypatch, waits=case == "waits", fails=case == "fails")
    steps.pace.on_device = case != "on the host"
    if case == "switched off":
        monkeypatch.setenv(SWITCH, "0")
    side = SimpleNamespace(alike=case != "its sides differ", pace=steps.pace)
    steps.replay = Replay(side, "cpu" if case == "cpu" else "cuda")  # type: ignore[arg-type]
    for value in range(WARM + 3):
        numbers, _ = steps.step(value, more=case == "more")
        assert float(numbers["loss"]) == 6 * value
    assert len(steps.taken) == WARM + 3 and steps.replay.graph is None and not steps.replay.may


@pytest.mark.parametrize(("name", "on_device"), [("Adam", True), ("NAdam", True), ("SGD", True), ("Adagrad", False)])
def test_which_optimizers_can_be_recorded(name: str, on_device: bool) -> None:
    optimizer = getattr(torch.optim, name)([torch.ones(2, requires_grad=True)], lr=0.1)
    assert Pace(optimizer, [0.1], SimpleNamespace(factor=lambda progress: 1.0)).on_device == on_device  # type: ignore[arg-type]


def test_on_a_cpu_steps_go_as_far_as_the_schedule_says_and_counters_stay() -> None:
    weights = [torch.ones(2, requires_grad=True) for _ in range(2)]
    optimizer = torch.optim.Adam([{"params": [each]} for each in weights], lr=1.0)
    pace = Pace(optimizer, [0.1, 0.4], SimpleNamespace(factor=lambda progress: 1 - progress))  # type: ignore[arg-type]
    pace.at(0.5)
    assert [group["lr"] for group in optimizer.param_groups] == [0.05, 0.2] and pace.on_host == (0.05, 0.2)
    assert not any(group["capturable"] for group in optimizer.param_groups)
