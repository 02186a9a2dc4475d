"""Whatever call to the disk fails, the user is told, and what was saved before is there, whole."""

from __future__ import annotations

import errno
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from factorgraph.errors import RunError
from factorgraph.run.folder import RunFolder

ERRORS = {errno.ENOSPC: "FG604", errno.EDQUOT: "FG604", errno.EROFS: "FG605", errno.EACCES: "FG605", errno.EIO: "FG610"}


def _tensors(value: float) -> dict[str, dict[str, torch.Tensor]]:
    return {
        "model": {"functions.decoder.matrix": torch.full((30, 7), value), "functions.decoder.bias": torch.full((30,), value)},
        "optimizer": {"functions.decoder.matrix/exp_avg": torch.full((30, 7), value)},
        "state": {"particles": torch.full((4, 3, 5), value)},
    }


def _run(tmp_path: Path, steps: tuple[int, ...]) -> Path:
    run = RunFolder.create(tmp_path, "psd")
    with run.lock():
        run.begin({"command": "train", "seed": 3})
        run.write("spec.yaml", "title: as it was\n")
        for step in steps:
            run.metrics.append({"step": step, "energy": 0.37})
            run.save(step, _tensors(float(step)), {"serial": float(step)})
    return run.path


def _new_step(run: RunFolder) -> None:
    run.metrics.append({"step": 9, "energy": 0.1})
    run.save(9, _tensors(9.0), {"serial": 9.0})


def _same_step(run: RunFolder) -> None:
    run.save(3, _tensors(3.5), {"serial": 3.5})


def _resume(run: RunFolder) -> None:
    run.begin({"command": "train --resume", "seed": 3})
    run.go_back_to(3)
    run.write("spec.yaml", "title: as it was\n")
    run.log("went on")
    run.finish("finished", {"seconds": 1.5})


SCENES: dict[str, tuple[tuple[int, ...], Callable[[RunFolder], None], set[float]]] = {
    "first checkpoint": ((), _new_step, {9.0}),
    "a new step": ((3,), _new_step, {3.0, 9.0}),
    "the only step again": ((3,), _same_step, {3.0, 3.5}),
    "a step after which an old one goes": ((1, 2, 3), _new_step, {3.0, 9.0}),
    "going back to a step": ((3, 4), _resume, {3.0, 4.0}),
}


def _check_whole(path: Path, rows: tuple[int, ...], values: set[float]) -> None:
    """A reader finds one whole checkpoint, every metric that was written before, and the other files."""
    run = RunFolder.open(path)
    assert run.read_text("spec.yaml") == "title: as it was\n"
    if values:
        found = run.load_latest()
        assert {x for group in found.tensors.values() for tensor in group.values() for x in tensor.unique().tolist()} == {
            found.state["serial"]
        }
        assert found.state["serial"] in values
        assert not found.warnings
    assert [row["step"] for row in run.metrics.rows()][: len(rows)] == list(rows)


EVERY = [(errno.ENOSPC, scene, onwards) for scene in SCENES for onwards in (False, True)]
OTHERS = [(error, "the only step again", True) for error in ERRORS if error != errno.ENOSPC]


@pytest.mark.parametrize(("error", "scene", "onwards"), EVERY + OTHERS)
def test_every_failing_call_is_told_and_costs_nothing(
    tmp_path: Path, failing: Any, error: int, scene: str, onwards: bool
) -> None:
    before, act, values = SCENES[scene]
    stays = tuple(step for step in before if step <= 3)
    failed: set[str] = set()
    original = _run(tmp_path, before)
    for at in range(1, 500):
        path = shutil.copytree(original, tmp_path / f"call-{at}")
        disk = failing(at, error, onwards)
        try:
            with RunFolder(path, disk).lock() as run:
                act(run)
        except RunError as told:
            assert {each.code for each in told.issues} == {ERRORS[error]}, told
            assert told.exit_code == 1
            message = told.issues[0].message
            assert str(tmp_path) in message
            if ERRORS[error] == "FG604":
                assert "disk full while" in message and "needs" in message and "MB free" in message
        else:
            assert not disk.failed, f"call {at} ({disk.failed[0]}) failed and nobody was told"
            break
        failed.add(disk.failed[0])
        _check_whole(path, stays, values if before else set())
        with RunFolder.open(path, failing(0, error)).lock() as run:  # the next start cleans up, and the same can be done again
            assert not [each for each in path.rglob("*") if each.name.startswith(".tmp-") or each.name.endswith(".new")]
            act(run)
        _check_whole(path, stays, values)
    else:
        pytest.fail("no end of calls")
    wanted = {"open", "write", "fsync", "close", "rename"} | (set() if act is _resume else {"make_folder"})
    assert failed >= wanted, "the scene reaches every kind of call"


def test_message_names_the_bytes_needed_and_free_and_the_checkpoint_that_stands(tmp_path: Path, failing: Any) -> None:
    path = _run(tmp_path, (1200,))
    probe = failing(10**9, errno.ENOSPC)
    with RunFolder(path, probe).lock() as run:
        locking = probe.count
    with pytest.raises(RunError) as told, RunFolder(path, failing(locking + 3, errno.ENOSPC)).lock() as run:
        run.save(1300, {"model": {"a": torch.zeros(15_250_000)}}, {})
    message = told.value.issues[0].message
    assert message.startswith("disk full while saving the checkpoint of step 1300: needs 61 MB, ")
    assert message.endswith("; kept the checkpoint of step 1200")


def test_making_a_run_fails_cleanly_at_every_call(tmp_path: Path, failing: Any) -> None:
    for at in range(1, 50):
        disk = failing(at, errno.ENOSPC)
        try:
            RunFolder.create(tmp_path / f"deep{at}" / "runs", "psd", files=disk)
        except RunError as told:
            assert told.issues[0].code == "FG604"
        else:
            break
    assert at > 5
    with pytest.raises(RunError, match="FG605"):
        RunFolder.create(tmp_path, "psd", out=tmp_path / "mine", files=failing(1, errno.EACCES))


ON_A_SMALL_DISK = """
import sys
from pathlib import Path
import torch
from factorgraph.errors import RunError
from factorgraph.run.folder import RunFolder
run = RunFolder.create(Path(sys.argv[1]), "psd")
with run.lock():
    run.save(1200, {"model": {"a": torch.full((200_000,), 0.37)}}, {})
    for again in range(2):
        try:
            run.save(1300, {"model": {"a": torch.full((400_000,), 0.5)}}, {})
        except RunError as told:
            print(told.issues[0].code, told.issues[0].message)
        else:
            print("it fitted")
    found = run.load_latest()
    print(found.step, found.tensors["model"]["a"].unique().tolist(), sorted(each.name for each in run.checkpoints.iterdir()))
"""


def test_on_a_disk_smaller_than_two_checkpoints(tmp_path: Path) -> None:
    mount = f"mount -t tmpfs -o size=2m tmpfs {tmp_path} && exec '{sys.executable}' -c '{ON_A_SMALL_DISK}' {tmp_path}"
    done = subprocess.run(["unshare", "-rm", "sh", "-c", mount], capture_output=True, text=True, check=False)
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip(f"no file system may be mounted here: {done.stderr.strip()[:100]}")
    assert done.returncode == 0, done.stderr
    first, second, last = done.stdout.splitlines()
    assert first.startswith("FG604 disk full while saving the checkpoint of step 1300: needs 1.6 MB, 1.3 MB free in"), first
    assert first.endswith("kept the checkpoint of step 1200")
    assert second == first
    assert last.startswith("1200 [0.37") and last.endswith("['latest', 'step-000001200']")
