"""What a phase leaves as it is, computed once: the same learning, bit for bit the same after a stop, and never stale."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from factorgraph import compile as compiler
from factorgraph.compile.kept import describe
from factorgraph.compile.program import Program
from factorgraph.graph.resolve import resolve
from factorgraph.run.run import Run
from factorgraph.spec.load import loads
from factorgraph.training import keeping, session
from factorgraph.training.session import StoppedError, resume, train
from tests.training.test_keeping import losses, parameters
from tests.training.test_resume import fingerprint

SPEC = """
factorgraph: 1
seed: 5
dims: {maps: 3}
variables:
  X:         {kind: observed, shape: [1, 8, 8]}
  label:     {kind: observed, shape: [10], domain: one_hot, given: training}
  Z:         {kind: latent, shape: [11]}
  predicted: first(X)
  features1: average(abs(predicted))
  features2: average(abs(second(features1)))
functions:
  first:      {type: convolution, maps: maps, kernel: 3, activation: smooth_shrink}
  second:     {type: convolution, maps: 5, kernel: 3}
  average:    {type: pool, kind: average, window: 2}
  decoder:    {type: linear, bias: false, unit_norm: columns}
  classifier: linear
  namer:      linear
  back:       {type: convolution, kernel: 3}
  back2:      {type: convolution, kernel: 3}
factors:
  layer1:         {type: squared_distance, between: [X, back(predicted)], weight: 0.37}
  layer2:         {type: squared_distance, between: [features1, back2(second(features1))]}
  code:           {type: squared_distance, between: [features2, decoder(Z)], weight: 0.5}
  sparsity:       {type: l1, of: Z, weight: 0.02}
  classification: {type: cross_entropy, between: [label, classifier(features2)]}
  naming:         {type: cross_entropy, between: [label, namer(Z)]}
inference:
  sparse: {method: argmin, of: Z, solver: fista, steps: 15, tolerance: 0, without: [classification, naming]}
learning:
  phase_1: {loss: energy, only: [layer1], train: [first, back], steps: 3, batch_size: 12}
  phase_2: {loss: energy, only: [layer2], train: [second, back2], epochs: 2, batch_size: 12}
  phase_3: {loss: energy, only: [code, sparsity], train: [decoder], epochs: 2, batch_size: 12}
  phase_4: {loss: energy, only: [classification], train: [classifier], epochs: 6, batch_size: 12}
  phase_5: {loss: energy, only: [naming], train: [namer], epochs: 3, batch_size: 12}
  phase_6: {loss: energy, only: [classification], epochs: 2, batch_size: 12}
  phase_7: {loss: energy, only: [classification], train: [classifier], epochs: 2, batch_size: 12}
data: {source: digits, count: 90, test: 20, labelled: 40, bind: {X: image, label: label}}
"""
KEPT = {  # of each phase: what, and of how many rows
    "phase_2": [("features1", 90)],
    "phase_3": [("features2", 90)],
    "phase_4": [("features2", 40)],
    "phase_5": [("sparse", 40)],
    "phase_7": [("features2", 40)],
}


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "ROWS_AT_ONCE", 32)
    monkeypatch.setattr(session, "_all_pictures", lambda *_: None)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keeping, "ROWS_AT_ONCE", 32)
        patch.setattr(session, "_all_pictures", lambda *_: None)
        return train(loads(SPEC), tmp_path_factory.mktemp("whole") / "run")


def test_what_is_frozen_is_computed_once_for_the_rows_that_a_phase_draws(whole: Run) -> None:
    log = (whole.path / "log.txt").read_text()
    for phase, found in KEPT.items():
        for name, rows in found:
            assert any(f"phase {phase}, " in line and f"of {name}: " in line and f"{rows} " in line for line in log.splitlines())
    assert "phase phase_1, features" not in log and "phase phase_6, features" not in log


def test_learning_is_that_without_keeping(whole: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "LARGEST", 0)
    monkeypatch.setattr(keeping, "SHARE", 0)
    other = train(loads(SPEC), tmp_path / "run")
    assert not (other.path / "cache").exists()
    np.testing.assert_allclose(losses(whole), losses(other), rtol=2e-5)
    for name, each in parameters(whole).items():
        torch.testing.assert_close(each, parameters(other)[name], atol=2e-6, rtol=2e-5)


def test_frozen_parts_stay_as_they_are_to_the_bit(whole: Run) -> None:
    trained = {
        "phase_1": ("functions.first", "functions.back."),
        "phase_2": ("functions.second", "functions.back2"),
        "phase_3": ("functions.decoder",),
        "phase_4": ("functions.classifier",),
        "phase_5": ("functions.namer",),
        "phase_6": ("functions.first", "functions.second", "functions.classifier"),
        "phase_7": ("functions.classifier",),
    }
    before = whole.folder.load_named("start").tensors["model"]
    for phase, moved in trained.items():
        after = whole.folder.load_named(phase).tensors["model"]
        for name, each in after.items():
            assert torch.equal(each, before[name]) != name.startswith(moved), (phase, name)
        before = after


@pytest.mark.parametrize("step", [2, 9, 25, 40, 57, 66, 72])
def test_a_sitting_may_end_in_the_middle_of_any_phase(step: int, whole: Run, tmp_path: Path) -> None:
    with pytest.raises(StoppedError):
        train(loads(SPEC), tmp_path / "run", stop_after=step)
    assert fingerprint(resume(tmp_path / "run").path) == fingerprint(whole.path)


def test_kept_features_are_read_and_not_computed_again(
    whole: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[str] = []
    honest = Program._applied

    def counted(self: Program, value, *rest):  # type: ignore[no-untyped-def]
        computed.append(value.function)
        return honest(self, value, *rest)

    with pytest.raises(StoppedError):
        train(loads(SPEC), tmp_path / "run", stop_after=40)  # in phase 4, whose features are in the run by then
    monkeypatch.setattr(Program, "_applied", counted)
    with pytest.raises(StoppedError):
        resume(tmp_path / "run", stop_after=42)
    assert "classifier" in computed and not {"first", "second"} & set(computed)


def test_features_of_parameters_that_a_phase_has_moved_are_new(whole: Run) -> None:
    model, data = whole.model, whole.dataset
    rows = np.flatnonzero(data.present["train"]["label"])
    right = model.evaluate(("features2",), X=torch.from_numpy(data.train["X"][rows]))["features2"]
    kept = whole.folder.read_arrays("cache/features-features2.safetensors")["features2/features2"]
    np.testing.assert_allclose(kept, right.detach().numpy(), atol=1e-6)


def test_stale_features_are_found_again(whole: Run, tmp_path: Path) -> None:
    """Another spec's features lie where those of this one would: other parameters, other rows, another graph, other kernels."""
    spec = loads(SPEC)
    files = {f"cache/features-{name}.safetensors" for name in ("features1", "features2")}
    marks = {file: whole.folder.read_arrays(file)["fingerprint"].tobytes() for file in files}
    for change in ({"seed": 6}, {"data.count": 91}, {"variables.features1": "average(predicted)"}, {"functions.first.kernel": 1}):
        other = train(spec.with_changes(change, "test"), tmp_path / str(len(str(change))), epochs=2)
        for file in files:
            assert other.folder.read_arrays(file)["fingerprint"].tobytes() != marks[file], (change, file)


@pytest.mark.parametrize(
    ("old", "new", "phase", "kept", "why"),
    [
        ("labelled: 40,", "augment: [mirror],", "phase_4", "", "X is augmented"),
        ("(abs(predicted))", "(abs(standardise(predicted)))", "phase_4", "predicted", "standardise sees more than the row"),
        ("first(X)", "first(noisy(X))", "phase_4", "", "noisy sees more than the row"),
        ("N: N", "", "phase_4", "features2", ""),
        ("N: N", "", "phase_5", "sparse", ""),
        ("N: N", "", "phase_1", "", ""),
        ("N: N", "", "phase_6", "", ""),
    ],
)
def test_what_changes_from_step_to_step_is_not_kept_and_explain_says_so(
    old: str, new: str, phase: str, kept: str, why: str
) -> None:
    text = SPEC.replace(old, new)
    if "noisy" in new:
        text = text.replace("  namer:", "  noisy: {type: network, layers: 0.3drop}\n  namer:")
    spec = loads(text)
    plan, graph = compiler.plan(spec), resolve(spec)
    sides = [each for each in plan.phases if each.phase == phase]
    lines = describe(graph, plan.procedures, spec.learning[phase].first, sides)
    assert len(lines) == bool(kept) + bool(why)
    assert not kept or f"of {kept}, of each training row [" in lines[0]
    assert not why or why in lines[-1]


def mapped(path: Path) -> set[str]:
    return {str(each.relative_to(path)) for each in (path / "cache").rglob("*") if each.is_file()}


@pytest.mark.parametrize("step", [25, 57])
def test_what_is_large_stays_on_the_disk_and_is_gone_at_the_end(
    step: int, whole: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "LARGEST", 0)
    with pytest.raises(StoppedError):
        train(loads(SPEC), tmp_path / "run", stop_after=step)
    there = mapped(tmp_path / "run")
    assert {"cache/features-features1.safetensors", "cache/features-features1/0"} <= there
    cache = tmp_path / "run/cache"
    assert (cache / "features-features1.safetensors").stat().st_size < 1000 < (cache / "features-features1/0").stat().st_size
    run = resume(tmp_path / "run")
    assert fingerprint(run.path) == fingerprint(whole.path)
    assert not mapped(run.path)


def test_what_fills_the_disk_is_there_when_a_run_goes_on(whole: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It needs no room a second time; what a killed writer left half done is taken away before room is looked for."""
    monkeypatch.setattr(keeping, "LARGEST", 0)
    with pytest.raises(StoppedError):
        train(loads(SPEC), tmp_path / "run", stop_after=40)
    cache = tmp_path / "run/cache"
    heard: list[str] = []
    with monkeypatch.context() as full:
        full.setattr(keeping, "SHARE", 0)
        with pytest.raises(StoppedError):
            resume(tmp_path / "run", say=heard.append, stop_after=42)
        assert any(each.endswith("in cache/features-features2") for each in heard)
        assert not any("are free on the disk" in each for each in heard)
    (cache / "features-features2.safetensors").unlink()
    left: list[bool] = []
    free = keeping.disk_usage

    def looked(path: Path) -> object:
        left.append((cache / "features-features2").exists())
        return free(path)

    monkeypatch.setattr(keeping, "disk_usage", looked)
    assert fingerprint(resume(tmp_path / "run").path) == fingerprint(whole.path)
    assert left and not left[0]


@pytest.mark.parametrize("harm", ["bit", "short", "seal"])
def test_what_changed_on_the_disk_is_found_again(
    harm: str, whole: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "LARGEST", 0)
    with pytest.raises(StoppedError):
        train(loads(SPEC), tmp_path / "run", stop_after=40)
    own = tmp_path / "run/cache/features-features2/0"
    data = own.read_bytes()
    match harm:
        case "bit":
            own.write_bytes(bytes([data[0] ^ 1]) + data[1:])
        case "short":
            own.write_bytes(data[:-4])
        case "seal":
            (tmp_path / "run/cache/features-features2.safetensors").write_bytes(b"")
    heard: list[str] = []
    assert fingerprint(resume(tmp_path / "run", say=heard.append).path) == fingerprint(whole.path)
    assert any("phase phase_4, features of features2: finding them" in each for each in heard)
