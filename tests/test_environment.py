"""What is missing on a machine is said in one sentence, with the command that mends it; nothing is installed here.

Pretended Pythons stand in for those of bad machines, in a copy of the files that ``make`` reads.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NEEDED = ("Makefile", "pyproject.toml", "constraints.txt", "tools/environment.sh")
MAKE = shutil.which("make")

pytestmark = pytest.mark.skipif(MAKE is None, reason="there is no make on this machine")


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A clone in a folder whose name has a space, with nothing in it but what ``make`` reads first."""
    folder = tmp_path / "my models"
    for name in NEEDED:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    return folder


def make(folder: Path, target: str = "test", **setting: str) -> subprocess.CompletedProcess[str]:
    assert MAKE is not None
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PIP_", "MAKE", "FACTORGRAPH_", "PYTHON"))}
    return subprocess.run([MAKE, target], cwd=folder, env=kept | setting, capture_output=True, text=True, check=False)


def sentence(done: subprocess.CompletedProcess[str]) -> str:
    """The last thing that the script itself says."""
    assert done.returncode != 0
    said = [line for line in done.stderr.splitlines() if line.startswith("make: ") and "***" not in line]
    assert said, done.stderr
    return said[-1]


def pretended(folder: Path, name: str, body: str) -> str:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


def test_no_python_at_all(checkout):
    said = sentence(make(checkout, PYTHON="python9.99"))
    assert "there is no python9.99" in said and "apt-get install python3 python3-venv" in said


def test_a_python_that_is_too_old(checkout, tmp_path):
    old = pretended(tmp_path, "old", 'case "$1" in --version) echo Python 3.9.2 ;; *) exit 1 ;; esac')
    said = sentence(make(checkout, PYTHON=old))
    assert "Python 3.9.2 is too old" in said and "3.11" in said and "make PYTHON=" in said
    assert not (checkout / ".venv").exists()


def test_a_python_without_venv(checkout, tmp_path):
    bare = pretended(tmp_path, "bare", 'case "$2" in *ensurepip*) exit 1 ;; *) exit 0 ;; esac')
    said = sentence(make(checkout, PYTHON=bare))
    assert "venv is missing" in said and "apt-get install python3" in said and "-venv" in said


def test_a_disk_that_is_too_small(checkout):
    said = sentence(make(checkout, PYTHON=sys.executable, FACTORGRAPH_NEEDS_MB="99999999"))
    assert "99999999 MB" in said and "MB free" in said
    assert not (checkout / ".venv").exists()


def with_pip(checkout: Path, says: str, status: int = 1) -> None:
    """An environment that is there already, and whose pip says what pips say."""
    bin_ = checkout / ".venv" / "bin"
    bin_.mkdir(parents=True)
    pretended(bin_, "python", f"cat <<'END'\n{says}\nEND\nexit {status}")


@pytest.mark.parametrize(
    "says",
    [
        "WARNING: Retrying ... NewConnectionError('<pip._vendor...>: Failed to establish a new connection')",
        "ERROR: Could not find a version that satisfies the requirement hatchling>=1.26 (from versions: none)",
        "socket.gaierror: [Errno -3] Temporary failure in name resolution",
        "ReadTimeoutError(\"HTTPSConnectionPool(host='index', port=443): Read timed out.\")",
    ],
)
def test_no_network(checkout, says):
    with_pip(checkout, says)
    said = sentence(make(checkout, PYTHON=sys.executable))
    assert "needs a network" in said and ".venv/install.log" in said


def test_a_full_disk_while_installing(checkout):
    with_pip(checkout, "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device")
    said = sentence(make(checkout, PYTHON=sys.executable))
    assert "disk is full" in said and "rm -rf .venv" in said


def test_anything_else_is_shown(checkout):
    with_pip(checkout, "ERROR: the moon is full")
    done = make(checkout, PYTHON=sys.executable)
    assert "the moon is full" in done.stderr
    assert "rm -rf .venv && make" in sentence(done)


def test_an_environment_that_is_finished_is_not_made_again(checkout):
    with_pip(checkout, "ERROR: pip was called", 1)
    for name in ("pyproject.toml", "constraints.txt"):
        os.utime(checkout / name, (1, 1))
    (checkout / ".venv" / ".made-dev").touch()
    script = [str(checkout / "tools" / "environment.sh")]
    assert subprocess.run([*script, "dev"], cwd=checkout, check=False).returncode == 0
    assert subprocess.run([*script, "data"], cwd=checkout, check=False).returncode == 0  # among those of dev
    os.utime(checkout / "constraints.txt")
    (checkout / ".venv" / ".made-dev").touch()
    os.utime(checkout / ".venv" / ".made-dev", (1, 1))
    assert subprocess.run([*script, "dev"], cwd=checkout, capture_output=True, check=False).returncode == 1


@pytest.mark.slow
def test_no_network_with_the_real_pip(checkout):
    with socket.socket() as port:  # bound and not listening: whoever connects is refused
        port.bind(("127.0.0.1", 0))
        index = f"http://127.0.0.1:{port.getsockname()[1]}/simple"
        setting = {"PIP_INDEX_URL": index, "PIP_EXTRA_INDEX_URL": "", "PIP_FIND_LINKS": "", "PIP_CONFIG_FILE": os.devnull}
        said = sentence(make(checkout, PYTHON=sys.executable, PIP_RETRIES="0", PIP_NO_CACHE_DIR="1", **setting))
    assert "needs a network" in said


def test_from_another_folder(checkout, tmp_path):
    """``make -C`` finds what it needs beside the Makefile."""
    assert MAKE is not None
    done = subprocess.run([MAKE, "-C", str(checkout), "help"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "make demo" in done.stdout
