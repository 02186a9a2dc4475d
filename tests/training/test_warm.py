"""A search that starts at the row's previous code: same minimum in fewer steps, a part of the run's state, and its limits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from factorgraph import compile as compiler
from factorgraph.compile import warm
from factorgraph.compile.learning import Learning
from factorgraph.errors import FactorgraphError, SpecError
from factorgraph.graph.resolve import resolve
from factorgraph.run.folder import RunFolder
from factorgraph.spec.load import loads
from factorgraph.training import memory
from factorgraph.training.session import StoppedError, resume, train
from tests.training.specs import RUN
from tests.training.test_resume import fingerprint

WARM = RUN.replace("start: encoder(Y), steps: 20", "start: previous, steps: 20, tolerance: 0")
WARM = WARM.replace("epochs: 1, batch_size: 16", "steps: 5, batch_size: 32")
BOTH = WARM.replace(
    "data:\n",
    """data:
  lower: {source: natural_patches, size: side, count: 40, test: 10, prepare: [remove_mean, {whiten: 0.02}], bind: {Y: image}}
  upper: {source: natural_patches, size: side, count: 60, test: 10, prepare: [remove_mean, {whiten: 0.02}], bind: {Y: image}}
unused:
""",
)
ALL_STEPS = 5 + 5  # of sixteen, then of thirty-two rows: of a hundred most are seen twice


def kept(path: Path) -> dict[str, torch.Tensor]:
    return {name: each for name, each in RunFolder.open(path).load_latest().tensors["state"].items() if "previous" in name}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, ...]:
    run = train(loads(WARM), tmp_path_factory.mktemp("whole") / "run")
    return (*fingerprint(run.path), kept(run.path))


def test_codes_are_kept_of_every_row(whole: tuple[Any, ...]) -> None:
    (codes,) = whole[2].values()
    assert list(whole[2]) == ["previous:optimal/Z"]
    assert codes.shape == (100, 9) and codes.dtype == torch.float32
    assert (codes != 0).any(1).double().mean() > 0.9


@pytest.mark.parametrize("step", range(1, ALL_STEPS))
def test_every_step_can_be_the_last_of_a_sitting(step: int, whole: tuple[Any, ...], tmp_path: Path) -> None:
    with pytest.raises(StoppedError):
        train(loads(WARM), tmp_path / "run", stop_after=step)
    run = resume(tmp_path / "run")
    assert fingerprint(run.path) == whole[:2]
    assert all(torch.equal(each, whole[2][name]) for name, each in kept(run.path).items())


def test_the_codes_are_what_a_resumed_run_needs(whole: tuple[Any, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory.Memory, "restore", lambda self, tensors: {})
    with pytest.raises(StoppedError):
        train(loads(WARM), tmp_path / "run", stop_after=8)
    assert fingerprint(resume(tmp_path / "run").path) != whole[:2]


def test_it_is_another_run_than_from_zero(whole: tuple[Any, ...], tmp_path: Path) -> None:
    cold = train(loads(WARM.replace("start: previous", "start: 0")), tmp_path / "cold")
    assert fingerprint(cold.path) != whole[:2]
    assert kept(cold.path) == {}


def test_several_sources_keep_the_codes_of_all_their_rows(tmp_path: Path) -> None:
    text = BOTH[: BOTH.index("unused:")] + BOTH[BOTH.index("expect:") :]
    run = train(loads(text), tmp_path / "run")
    (codes,) = kept(run.path).values()
    assert codes.shape == (100, 9) and (codes != 0).any(1).double().mean() > 0.9


def test_of_a_convex_energy_it_finds_the_same_minimum_in_fewer_steps() -> None:
    sparse = {"factors.prediction.weight": 0, "factors.rough.weight": 0}
    long = {"inference.optimal.steps": 3000, "inference.optimal.tolerance": 1e-9, "inference.optimal.solver": "fista"}
    made = loads(WARM).with_changes({**sparse, **long}, "test")
    model = compiler.build(made).double()
    y, n = torch.randn(2, 12, 25, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    given = model.with_noise(model.assign({"Y": y, "N": n}))

    def searched(previous: dict[str, Any]) -> Any:
        return model.run(("optimal",), given, model.inferences, Learning(3, ("warm", 0, "model", 0), (), previous))["optimal"]

    before = searched({})
    with torch.no_grad():  # what a step of learning changes
        for each in model.parameters():
            each.add_(0.001 * each.std() * torch.randn(each.shape, generator=torch.Generator().manual_seed(1), dtype=each.dtype))
        model.project()
    cold, warmed = searched({}), searched({"optimal": before.values})
    torch.testing.assert_close(warmed.values["Z"], cold.values["Z"], rtol=1e-3, atol=1e-4)
    assert warmed.steps.double().mean() < 0.8 * cold.steps.double().mean()
    assert torch.equal(searched({"other": before.values}).steps, cold.steps)


def test_each_row_starts_at_its_own_code_of_the_last_visit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against a table written beside: whatever a step finds is what the next visit of the row starts at."""
    table: dict[int, bytes] = {}
    seen: list[int] = []
    honest_of, honest_keep = memory.Memory.of, memory.Memory.keep

    def of(self: Any, rows: Any) -> Any:
        found = honest_of(self, rows)
        for row, code in zip(rows.tolist(), found["optimal"]["Z"], strict=True):
            assert code.numpy().tobytes() == table.get(row, bytes(4 * 9))
        return found

    def keep(self: Any, rows: Any, found: Any) -> None:
        honest_keep(self, rows, found)
        for row, code in zip(rows.tolist(), found["optimal"].values["Z"], strict=True):
            seen.append(row)
            table[row] = code.detach().numpy().tobytes()

    monkeypatch.setattr(memory.Memory, "of", of)
    monkeypatch.setattr(memory.Memory, "keep", keep)
    train(loads(WARM), tmp_path / "run")
    assert len(seen) == 5 * 16 + 5 * 32 and len(table) > 95


def test_of_a_map_only_what_says_so_is_kept() -> None:
    text = WARM.replace("start: previous", "start: {Z: previous}")
    graph = resolve(loads(text))
    plan = compiler.plan_procedures(graph)["optimal"]
    assert warm.remembered(graph, plan, graph.spec.inference["optimal"].first) == {"Z": (9,)}  # type: ignore[arg-type]
    assert "36 bytes for each training row" in warm.describe(graph, plan) and "36 x 100 = " in warm.describe(graph, plan)


def test_a_row_that_changes_has_no_previous_code() -> None:
    changes = {"data.augment": "mirror", "data.prepare": ["remove_mean"]}
    made = loads(WARM).with_changes(changes, "test")
    graph = resolve(made)
    with pytest.raises(SpecError) as caught:
        compiler.check_rows(made, graph, compiler.plan(made, graph))
    (found,) = caught.value.issues
    assert found.code == "FG422" and "Y is augmented" in found.message and found.path == ("inference", "optimal", "start")


def test_a_variable_may_not_be_called_as_the_word_is() -> None:
    named = WARM.replace("  N: {kind", "  previous: {kind: observed, shape: [9]}\n  N: {kind")
    with pytest.raises(SpecError, match="FG423"):
        loads(named)
    assert loads(named.replace("start: previous,", "start: encoder(Y),"))


def test_more_codes_than_fit_are_refused_before_anything_is_learned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "LARGEST", 100 * 9 * 4 - 1)
    with pytest.raises(FactorgraphError, match=r"FG424.*of each of 100 training rows: 4 kB, and at most 4 kB are kept"):
        train(loads(WARM), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    monkeypatch.setattr(memory, "LARGEST", 100 * 9 * 4)
    with pytest.raises(StoppedError):
        train(loads(WARM), tmp_path / "run", stop_after=1)


def test_a_checkpoint_without_the_codes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as forgetful:
        forgetful.setattr(memory.Memory, "state", lambda self: {})
        with pytest.raises(StoppedError):
            train(loads(WARM), tmp_path / "run", stop_after=3)
    with pytest.raises(FactorgraphError, match=r"FG672.*previous:optimal/Z"):
        resume(tmp_path / "run")

