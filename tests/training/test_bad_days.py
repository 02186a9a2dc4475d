"""What goes wrong while learning is told with the phase, the factor, the step, and what to do; what was good is kept."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from factorgraph.errors import DataError, RunError, SpecError
from factorgraph.run.folder import RunFolder
from factorgraph.run.run import Run
from factorgraph.spec.load import load, loads
from factorgraph.training.session import StoppedError, choose_device, resume, train
from tests.training.specs import RUN

ARRAYS = """
factorgraph: 1
variables:
  Y: {kind: observed, shape: [6]}
  Z: {kind: latent, shape: [4]}
functions:
  decoder: {type: linear, bias: false, unit_norm: columns}
factors:
  reconstruction: {type: squared_distance, between: [Y, decoder(Z)]}
  sparsity: {type: l1, of: Z, weight: 0.2}
inference:
  optimal: {method: argmin, of: Z, steps: 30}
learning:
  fit: {loss: energy, steps: 60, batch_size: 10}
data: {source: arrays, file: rows.npy, bind: {Y: array}}
"""


def rows(count: int = 80) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, 6)).astype(np.float32)


@pytest.fixture
def spec_file(tmp_path: Path) -> Path:
    (tmp_path / "small.yaml").write_text(ARRAYS)
    np.save(tmp_path / "rows.npy", rows())
    return tmp_path / "small.yaml"


def told(error: pytest.ExceptionInfo[Exception], *words: str) -> None:
    for word in words:
        assert word in str(error.value), str(error.value)


def test_a_number_that_is_none_in_the_data(spec_file: Path, tmp_path: Path) -> None:
    bad = rows()
    bad[17, 2] = np.nan
    np.save(tmp_path / "rows.npy", bad)
    with pytest.raises(DataError) as caught:
        train(load(spec_file), tmp_path / "run")
    told(caught, "array", "17", "small.yaml")
    assert not (tmp_path / "run").exists()


def test_a_learning_rate_of_a_million(tmp_path: Path) -> None:
    made = loads(RUN).with_changes({"learning.warm.learning_rate": 1e6, "learning.warm.steps": 60}, "test")
    with pytest.raises(RunError) as caught:
        train(made, tmp_path / "run")
    assert caught.value.issues[0].code in ("FG670", "FG671")
    told(caught, 'phase "warm"', "at step ", 'factor "rough"', "last good checkpoint", "step-000000000")
    told(caught, "learning_rate", "try 0.001")
    about = json.loads((tmp_path / "run" / "run.json").read_text())
    assert about["exit"] == f"error {caught.value.issues[0].code}"
    assert not (tmp_path / "run" / "done").exists()
    assert RunFolder.open(tmp_path / "run").load_latest().step == 0


def test_a_search_that_runs_out_of_steps_is_counted(spec_file: Path, tmp_path: Path) -> None:
    changes = {"inference.optimal.steps": 2, "inference.optimal.tolerance": 1e-9, "learning.fit.steps": 5}
    changes["inference.optimal.solver"] = "ista"
    run = train(load(spec_file).with_changes(changes, "test"), tmp_path / "run")
    assert all(row["unconverged"] > 0.5 for row in run.metrics if row["split"] == "train")
    assert "out of steps" in run.evaluate().text()


def test_data_that_changed_between_two_sittings(spec_file: Path, tmp_path: Path) -> None:
    with pytest.raises(StoppedError):
        train(load(spec_file), tmp_path / "run", stop_after=7)
    np.save(tmp_path / "rows.npy", rows() + 1)
    with pytest.raises(DataError) as caught:
        resume(tmp_path / "run", data=[tmp_path])
    assert caught.value.issues[0].code == "FG510"
    (tmp_path / "rows.npy").unlink()
    with pytest.raises(DataError) as gone:
        resume(tmp_path / "run", data=[tmp_path])
    assert gone.value.issues[0].code == "FG511"
    np.save(tmp_path / "rows.npy", rows())
    assert resume(tmp_path / "run", data=[tmp_path]).folder.is_done


def test_data_that_were_named_are_named_where_they_are_missed(spec_file: Path, tmp_path: Path) -> None:
    elsewhere, runs = tmp_path / "the data", tmp_path / "specs"
    elsewhere.mkdir(), runs.mkdir()
    (tmp_path / "rows.npy").rename(elsewhere / "rows.npy")
    spec = spec_file.rename(runs / spec_file.name)
    said: list[str] = []
    path = train(load(spec), runs / "run", data=[elsewhere], say=said.append).path
    with pytest.raises(DataError) as caught:
        Run(path).dataset
    told(caught, "FG511", f"--data '{elsewhere}'")
    assert str(caught.value).count("--data") == 1  # the spec's own folder is read without being named
    assert Run(path, data=[elsewhere]).dataset.rows()


def test_two_writers_of_one_run(spec_file: Path, tmp_path: Path) -> None:
    with pytest.raises(StoppedError):
        train(load(spec_file), tmp_path / "run", stop_after=7)
    with RunFolder.open(tmp_path / "run").lock(), pytest.raises(RunError) as caught:
        resume(tmp_path / "run", data=[tmp_path])
    told(caught, "FG606", str(os.getpid()))


def test_a_trillion_parameters_are_refused_before_they_are_made() -> None:
    from factorgraph.graph.resolve import resolve

    made = loads(ARRAYS.replace("shape: [4]", "shape: [1000000]").replace("shape: [6]", "shape: [1000000]"))
    with pytest.raises(SpecError) as caught:
        resolve(made)
    told(caught, "decoder", "1,000,000,000,000")


def test_rows_that_are_all_alike_under_whitening(spec_file: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.ones((80, 6), dtype=np.float32) * 0.3)
    text = ARRAYS.replace("bind: {Y: array}", "prepare: [remove_mean, {whiten: 0.02}, unit_variance], bind: {Y: array}")
    spec_file.write_text(text)
    with pytest.raises(DataError) as caught:
        train(load(spec_file), tmp_path / "run")
    told(caught, "data")


@pytest.mark.parametrize(
    ("device", "precision", "words"),
    [
        ("tpu", "float32", "auto, cpu, cuda"),
        ("cuda", "float32", "--device cpu"),
        ("cpu", "tf32", "CUDA"),
        ("cpu", "float16", "bf16"),
    ],
)
def test_devices_that_are_not_there(device: str, precision: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(RunError) as caught:
        choose_device(device, precision)
    told(caught, words)


@pytest.mark.parametrize(("device", "is_there"), [("cuda:1", True), ("cuda:2", False), ("cuda:x", False), ("cpu:1", False)])
def test_only_devices_that_are_there_are_taken(device: str, is_there: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    if is_there:
        assert choose_device(device, "float32") == device
        return
    with pytest.raises(RunError) as caught:
        choose_device(device, "float32")
    told(caught, "auto, cpu, cuda, cuda:0, cuda:1")


def test_bf16_learns_and_keeps_its_parameters_in_float32(spec_file: Path, tmp_path: Path) -> None:
    run = train(load(spec_file).with_changes({"learning.fit.steps": 5}, "test"), tmp_path / "run", precision="bf16", device="cpu")
    assert all(each.dtype.is_floating_point and each.element_size() == 4 for each in run.model.parameters())
    assert run.folder.about()["precision"] == "bf16"


def test_a_run_whose_plan_is_damaged_says_so(spec_file: Path, tmp_path: Path) -> None:
    with pytest.raises(StoppedError):
        train(load(spec_file), tmp_path / "run", stop_after=3)
    (tmp_path / "run" / "plan.json").write_text("[]")
    with pytest.raises(RunError) as caught:
        _ = Run(tmp_path / "run").plan
    assert caught.value.issues[0].code == "FG673"


LONG = "import sys; from factorgraph.__main__ import main; sys.argv = ['factorgraph', *sys.argv[1:]]; main()"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_first_signal_saves_and_a_resume_goes_on(number: signal.Signals, spec_file: Path, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-c",
        LONG,
        "train",
        str(spec_file),
        "--out",
        str(tmp_path / "run"),
        "--set",
        "learning.fit.steps=1000000",
    ]
    child = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": "."}
    )
    metrics = tmp_path / "run" / "metrics.jsonl"
    deadline = time.monotonic() + 60
    while not (metrics.exists() and metrics.stat().st_size) and time.monotonic() < deadline and child.poll() is None:
        time.sleep(0.05)
    child.send_signal(number)
    _, said = child.communicate(timeout=60)
    assert child.returncode == 128 + number, said
    assert "--resume" in said
    assert "Traceback" not in said
    about = json.loads((tmp_path / "run" / "run.json").read_text())
    assert about["exit"] == f"interrupted ({number.name})"
    step = RunFolder.open(tmp_path / "run").load_latest().step
    assert step == sum(1 for _ in metrics.open())
    with pytest.raises(StoppedError):
        resume(tmp_path / "run", data=[tmp_path], stop_after=step + 2)


def test_a_spec_that_was_changed_by_hand_is_noticed(spec_file: Path, tmp_path: Path) -> None:
    train(load(spec_file).with_changes({"learning.fit.steps": 3}, "test"), tmp_path / "run")
    full = tmp_path / "run" / "spec.full.yaml"
    text = full.read_text()
    assert "weight: 0.2" in text
    full.write_text(text.replace("weight: 0.2", "weight: 0.3"))
    with pytest.raises(RunError) as caught:
        _ = Run(tmp_path / "run").model
    assert caught.value.issues[0].code in ("FG672", "FG673")


def test_fewer_epochs_than_are_done(spec_file: Path, tmp_path: Path) -> None:
    train(
        load(spec_file).with_changes({"learning.fit": {"loss": "energy", "epochs": 3, "batch_size": 10}}, "test"),
        tmp_path / "run",
    )
    with pytest.raises(RunError) as caught:
        resume(tmp_path / "run", epochs=1, data=[tmp_path])
    assert caught.value.issues[0].code == "FG678"


def test_a_loss_that_sees_no_energy_and_runs_away(tmp_path: Path) -> None:
    learning = {
        "fit": {
            "loss": {"type": "imitation", "teacher": "optimal", "student": "fast"},
            "optimizer": "sgd",
            "learning_rate": 1e6,
            "steps": 60,
        }
    }
    with pytest.raises(RunError) as caught:
        train(loads(RUN).with_changes({"learning": learning}, "test"), tmp_path / "run")
    assert caught.value.issues[0].code in ("FG670", "FG671")
    told(caught, "loss", 'phase "fit"')


def test_the_log_says_what_was_saved(spec_file: Path, tmp_path: Path) -> None:
    train(load(spec_file).with_changes({"learning.fit.steps": 3}, "test"), tmp_path / "run")
    lines = (tmp_path / "run" / "log.txt").read_text().splitlines()
    saved = [line.split(" ", 1)[1] for line in lines if "saved" in line]
    assert saved == ["step 0: saved as start", "step 3: saved as fit"]


def test_a_machine_that_lays_out_no_diagram_learns_all_the_same(
    spec_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from factorgraph.graph.drawing import layout

    (tmp_path / "wheel.py").write_text("import nothing_of_that_name")
    monkeypatch.setattr(layout, "_CHILD", tmp_path / "wheel.py")
    monkeypatch.setenv("PATH", "")
    heard: list[str] = []
    run = train(load(spec_file), tmp_path / "run", say=heard.append)
    assert run.folder.is_done
    assert any("FG262" in each for each in heard)
    assert (run.path / "figures" / "diagram.dot").read_text().startswith("digraph")
