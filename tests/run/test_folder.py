"""The run folder: a number of its own, one writer, and what it says about itself."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from factorgraph.errors import RunError
from factorgraph.run.files import Files
from factorgraph.run.folder import RunFolder, fit_name


def _run(root: Path, name: str = "psd") -> RunFolder:
    run = RunFolder.create(root, name)
    with run.lock():
        run.begin({"command": "train psd.yaml", "seed": 3, "device": "cpu", "precision": "float32", "threads": 2})
        run.write("spec.yaml", "a: 1\n")
    return run


def _python(code: str, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True, env=environment)


def test_a_run_is_written_while_its_process_lives(tmp_path: Path) -> None:
    run = _run(tmp_path)
    assert not run.is_written
    with run.lock():
        assert run.is_written
        about = json.loads((run.path / "lock.json").read_text())
    killed = _python("pass")
    killed.wait()
    for said, is_written in (({"pid": killed.pid}, False), ({"pid": 1}, True), ({"pid": killed.pid, "host": "elsewhere"}, True)):
        (run.path / "lock.json").write_text(json.dumps({**about, **said}))
        assert run.is_written == is_written
    for damaged in ("[]", '{"pid": "1"}', '{"pid": -1}'):
        (run.path / "lock.json").write_text(damaged)
        assert run.is_written  # nobody knows


# --- making --------------------------------------------------------------------------------------------------------------------


def test_every_run_gets_the_number_behind_the_highest(tmp_path: Path) -> None:
    root = tmp_path / "deep" / "runs"
    assert RunFolder.create(root, "psd").path == root / "psd-0001"
    assert RunFolder.create(root, "psd").path.name == "psd-0002"
    assert RunFolder.create(root, "psd-0002").path.name == "psd-0002-0001"
    (root / "psd-0009").mkdir()
    (root / "psd-12345").mkdir()
    (root / "psd-new").mkdir()
    assert RunFolder.create(root, "psd").path.name == "psd-12346"
    (root / "ps-0007").write_text("a file has the name")
    assert RunFolder.create(root, "ps").path.name == "ps-0008"


def _create_many(root: str, count: int, into: Any) -> None:
    into.put([RunFolder.create(Path(root), "psd").path.name for _ in range(count)])


def test_processes_that_create_at_one_moment_get_folders_of_their_own(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    queue: Any = context.Queue()
    workers = [context.Process(target=_create_many, args=(str(tmp_path), 20, queue)) for _ in range(4)]
    for each in workers:
        each.start()
    names = [name for _ in workers for name in queue.get(timeout=60)]
    for each in workers:
        each.join()
    assert sorted(names) == [f"psd-{number:04d}" for number in range(1, 81)]


@pytest.mark.parametrize(
    ("name", "folder"),
    [("psd", "psd"), ("k m/../x", "k-m-x"), ("../..", "run"), ("", "run"), ("größe", "gr-e"), ("a" * 99, "a" * 64), ("-x", "x")],
)
def test_a_name_is_made_fit_for_a_folder(name: str, folder: str) -> None:
    assert fit_name(name) == folder


def test_out_names_the_folder_itself_which_must_be_empty(tmp_path: Path) -> None:
    assert RunFolder.create(tmp_path, "psd", out=tmp_path / "a" / "mine").path == tmp_path / "a" / "mine"
    assert RunFolder.create(tmp_path, "psd", out=tmp_path / "a" / "mine").path == tmp_path / "a" / "mine"
    (tmp_path / "a" / "mine" / ".hidden").write_text("")
    with pytest.raises(RunError, match=r"FG607: the folder for the run, .*mine, is not empty"):
        RunFolder.create(tmp_path, "psd", out=tmp_path / "a" / "mine")
    (tmp_path / "file").write_text("precious")
    with pytest.raises(RunError, match=r"FG607.*is a file"):
        RunFolder.create(tmp_path, "psd", out=tmp_path / "file")
    assert (tmp_path / "file").read_text() == "precious"


# --- opening -------------------------------------------------------------------------------------------------------------------


def test_what_is_no_run_is_told_with_what_is_missing_and_what_was_meant(tmp_path: Path) -> None:
    run = _run(tmp_path / "runs")
    with pytest.raises(RunError, match=r"FG601: .*runs is not a run: it has no run.json and no spec.yaml") as told:
        RunFolder.open(tmp_path / "runs")
    assert told.value.issues[0].fix == f"did you mean {run.path}?"
    with pytest.raises(RunError, match="psd-0007 is not a run: it does not exist") as told:
        RunFolder.open(tmp_path / "runs" / "psd-0007")
    assert told.value.issues[0].fix == f"did you mean {run.path}?"


@pytest.mark.parametrize(
    ("named", "is_meant"),
    [(".", True), ("runs", True), ("runs/psd-0001/figures", True), ("runs/psd_0001", True), ("psd-0001", True),
     ("runs/other", False), ("elsewhere", False), ("elsewhere/deep", False)],
)  # fmt: skip
def test_only_a_run_that_is_near_is_proposed(tmp_path: Path, named: str, is_meant: bool) -> None:
    run = _run(tmp_path / "runs")
    (run.path / "figures").mkdir(exist_ok=True)
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(RunError) as told:
        RunFolder.open(tmp_path / named)
    assert (str(run.path) in told.value.issues[0].fix) == is_meant
    with pytest.raises(RunError, match="is no folder") as told:
        RunFolder.open(run.path / "spec.yaml")
    assert str(run.path) in told.value.issues[0].fix
    (run.path / "spec.yaml").unlink()
    with pytest.raises(RunError, match=r"it has no spec.yaml"):
        RunFolder.open(run.path)


def test_a_newer_format_is_told(tmp_path: Path) -> None:
    run = _run(tmp_path)
    (run.path / "run.json").write_text('{"format": 2}')
    with pytest.raises(RunError, match=r"FG602.*its format is 2, this version reads 1"):
        RunFolder.open(run.path)
    (run.path / "run.json").write_text('{"format": "1"}')
    with pytest.raises(RunError, match=r"FG601.*says no format"):
        RunFolder.open(run.path)


def test_a_missing_file_is_told_by_its_name(tmp_path: Path) -> None:
    run = _run(tmp_path)
    with pytest.raises(RunError, match=r"FG601.*has no plan.json"):
        run.read_json("plan.json")
    assert run.has("spec.yaml") and not run.has("plan.json")


def test_reading_and_making_a_run_imports_neither_torch_nor_numpy(tmp_path: Path) -> None:
    run = _run(tmp_path)
    code = """
import sys
from pathlib import Path
from factorgraph.run.folder import RunFolder
from factorgraph.run.signals import StopRequest
run = RunFolder.open(Path(sys.argv[1]))
run.read_text("spec.yaml"), run.about(), list(run.metrics.rows())
with RunFolder.create(Path(sys.argv[1]).parent, "other").lock() as other:
    other.begin({}), other.write("spec.yaml", ""), other.metrics.append({"step": 1}), other.finish("finished")
print([name for name in ("torch", "numpy", "safetensors", "pydantic") if name in sys.modules])
"""
    assert _python(code, str(run.path)).communicate(timeout=60)[0] == "[]\n"


# --- one writer ----------------------------------------------------------------------------------------------------------------

HOLD = """
import sys, time
from pathlib import Path
from factorgraph.run.folder import RunFolder
with RunFolder(Path(sys.argv[1])).lock():
    print("locked", flush=True)
    time.sleep(100)
"""


def test_a_second_writer_is_told_who_the_first_is_and_takes_over_when_that_is_killed(tmp_path: Path) -> None:
    run = _run(tmp_path)
    first = _python(HOLD, str(run.path))
    assert first.stdout is not None and first.stdout.readline() == "locked\n"
    with pytest.raises(RunError, match=rf"FG606: process {first.pid} on .* \(since 20.*Z?\) is writing to"), run.lock():
        pytest.fail("two writers")
    assert (run.path / "lock.json").exists()
    assert run.read_text("spec.yaml") == "a: 1\n", "reading needs no lock"
    first.send_signal(signal.SIGKILL)
    first.wait()
    (run.path / ".tmp-half").write_text("half")
    with run.lock():
        assert json.loads((run.path / "lock.json").read_text())["pid"] == os.getpid()
        assert not (run.path / ".tmp-half").exists()
        with pytest.raises(RunError, match=f"FG606: process {os.getpid()}"), RunFolder(run.path).lock():
            pytest.fail("two writers in one process")
    assert not (run.path / "lock.json").exists()


def test_what_a_stranger_put_into_the_lock_is_shown_as_a_short_plain_text(tmp_path: Path) -> None:
    run = _run(tmp_path)
    with run.lock():
        (run.path / "lock.json").write_text(json.dumps({"pid": "\x1b[2J", "host": "x" * 10_000, "since": [1]}))
        with pytest.raises(RunError, match="FG606") as told, RunFolder(run.path).lock():
            pytest.fail("two writers")
        assert "\x1b" not in str(told.value) and len(str(told.value)) < 500 + len(str(run.path))


def test_the_lock_goes_also_after_an_error(tmp_path: Path) -> None:
    run = _run(tmp_path)
    with pytest.raises(ZeroDivisionError), run.lock():
        1 / 0
    with run.lock():
        pass


def test_writing_without_the_lock_is_our_mistake(tmp_path: Path) -> None:
    run = _run(tmp_path)
    for act in (lambda: run.write("x", b""), lambda: run.log("x"), lambda: run.save(1, {}, {}), lambda: run.go_back_to(1)):
        with pytest.raises(AssertionError, match="only under its lock"):
            act()


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../x", "", "figures/..", ".", "a\nb", ".hidden"])
def test_a_name_that_leads_elsewhere_is_our_mistake(tmp_path: Path, name: str) -> None:
    run = _run(tmp_path)
    with run.lock():
        for act in (lambda: run.write(name, b"x"), lambda: run.read(name)):
            with pytest.raises(AssertionError, match="no name of a file of a run"):
                act()


# --- what it says --------------------------------------------------------------------------------------------------------------


def test_run_json_says_what_ran_and_how_it_ended_and_done_comes_last(tmp_path: Path) -> None:
    run = _run(tmp_path)
    about = run.about()
    assert (about["format"], about["command"], about["seed"], about["threads"]) == (1, "train psd.yaml", 3, 2)
    assert {"factorgraph", "python", "torch", "numpy"} <= set(about["versions"])
    assert about["exit"] is None and about["end"] is None and not run.is_done
    with run.lock():
        run.finish("interrupted (SIGINT)", {"seconds": {"learning": 1.5}})
        assert not run.is_done
        run.begin({"command": "train --resume", "seed": 3})
        run.finish("finished")
    assert run.is_done
    about = RunFolder.open(run.path).about()
    assert about["command"] == "train --resume" and about["exit"] == "finished" and about["end"] >= about["start"]
    assert [(each["command"], each["exit"], each["seconds"]) for each in about["earlier"]] == [
        ("train psd.yaml", "interrupted (SIGINT)", {"learning": 1.5})
    ]
    with run.lock():
        run.begin({"command": "train --resume --epochs 20"})
        assert not run.is_done, "a run that goes on is not over"
    assert len(run.about()["earlier"]) == 2


def test_the_log_has_one_line_an_entry(tmp_path: Path) -> None:
    run = _run(tmp_path)
    with run.lock():
        run.log("energy 0.37\nsneaky\x1bline")
        run.log("two")
    lines = (run.path / "log.txt").read_text().splitlines()
    assert [line.split(" ", 1)[1] for line in lines] == ["energy 0.37 sneaky line", "two"]


class _Noting(Files):
    """Notes when a file's bytes are forced to the disk and when a checkpoint takes its name."""

    def __init__(self) -> None:
        self.paths: dict[int, Path] = {}
        self.events: list[str] = []

    def open(self, path: Path, flags: int) -> int:
        handle = super().open(path, flags)
        self.paths[handle] = path
        return handle

    def fsync(self, handle: int) -> None:
        super().fsync(handle)
        self.events.append(f"forced {self.paths[handle].name}")

    def rename(self, source: Path, target: Path) -> None:
        super().rename(source, target)
        self.events.append(f"named {target.name}")


def test_the_metrics_are_on_the_disk_before_the_checkpoint_that_relies_on_them(tmp_path: Path) -> None:
    files = _Noting()
    run = RunFolder(_run(tmp_path).path, files)
    with run.lock():
        run.metrics.append({"step": 7})
        run.save(7, {}, {})
    assert files.events.index("forced metrics.jsonl") < files.events.index("named step-000000007")


def test_files_in_folders_and_arrays(tmp_path: Path) -> None:
    run = _run(tmp_path)
    with run.lock():
        assert run.write("figures/filters.png", b"picture") == run.path / "figures" / "filters.png"
        run.write_arrays("preprocessing.safetensors", {"mean": np.full((3, 1, 2), 0.37), "count": np.array(7)})
    found = run.read_arrays("preprocessing.safetensors")
    assert found["mean"].dtype == np.float64 and (found["mean"] == 0.37).all() and found["count"] == 7
    assert run.read("figures/filters.png") == b"picture"


def test_going_back_drops_what_came_later_and_keeps_the_rest(tmp_path: Path) -> None:
    run = _run(tmp_path)
    with run.lock():
        for step in range(1, 6):
            run.metrics.append({"step": step, "energy": 0.37})
            if step in (2, 4):
                run.save(step, {"model": {"a": torch.full((4, 3), float(step))}}, {}, name="warm" if step == 2 else None)
        (run.checkpoints / "step-000000004" / "model.safetensors").write_bytes(b"damaged")
        found = run.load_latest()
        assert found.step == 2 and found.names == ("warm",) and len(found.warnings) == 1
        run.go_back_to(found.step)
    assert [row["step"] for row in run.metrics.rows()] == [1, 2]
    again = RunFolder.open(run.path)
    assert again.load_latest().warnings == ()
    named = again.load_named("warm")
    assert named is not None and torch.equal(named.tensors["model"]["a"], torch.full((4, 3), 2.0))
    assert again.load_named("joint") is None
