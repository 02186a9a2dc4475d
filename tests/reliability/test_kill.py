"""A writer that is killed at any moment loses at most the save that it was in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

LOOP = Path(__file__).with_name("kill_loop.py")


def _kill(folder: Path, kills: int, megabytes: float, seed: int) -> dict[str, Any]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, str(LOOP), str(folder), str(kills), str(megabytes), str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    print(found)
    return found


def _check(found: dict[str, Any]) -> None:
    assert found["wrong"] == {}
    assert found["half written"] >= found["kills"] / 10, "the kills hit the moment of writing"
    assert found["saves"] >= found["kills"] / 4, "and between them checkpoints were finished"


def test_no_kill_of_a_hundred_loses_mixes_or_leaves_anything(tmp_path: Path) -> None:
    _check(_kill(tmp_path, 100, 2, seed=37))


@pytest.mark.slow
def test_no_kill_of_a_thousand_with_a_large_state(tmp_path: Path) -> None:
    _check(_kill(tmp_path, 1000, 72, seed=38))


@pytest.mark.slow
def test_no_kill_of_a_thousand_in_memory(tmp_path: Path) -> None:
    shared = Path("/dev/shm")
    if not shared.is_dir() or shared.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system")
    with tempfile.TemporaryDirectory(dir=shared) as folder:
        _check(_kill(Path(folder), 1000, 6, seed=39))
