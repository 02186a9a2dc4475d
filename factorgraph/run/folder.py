"""The run folder: everything that one training wrote, and how it is made, locked, read again and gone on with.

``run.json`` (what ran, where, how it ended), ``spec.yaml``, its fragments, ``spec.full.yaml``, ``plan.json``, ``data.json``,
``preprocessing.safetensors``, ``metrics.jsonl``, ``log.txt``, ``checkpoints/``, ``figures/``, ``cache/`` (what could be made
again) and, last, ``done``; after it ``evaluation.json`` and ``report.html``, which are made of the rest. A folder that came from
a stranger is read with every size bounded, no link followed and nothing executed.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from factorgraph.errors import Issue, RunError, issue
from factorgraph.run import checkpoint
from factorgraph.run.checkpoint import Checkpoint
from factorgraph.run.files import (
    FILES,
    JSON_LIMIT,
    Files,
    RefusedError,
    atomic_write,
    discard,
    explain_failure,
    fsync_folder,
    json_bytes,
    make_folders,
    parse_json,
    read_bounded,
    read_json,
    reporting,
    sweep,
)
from factorgraph.run.metrics_log import MetricsLog
from factorgraph.run.tensors import TENSOR_LIMIT, pack_arrays, unpack_arrays
from factorgraph.spec.suggest import near

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

FORMAT = 1
REQUIRED = ("run.json", "spec.yaml")  # without these a folder is no run
EVALUATION, REPORT = "evaluation.json", "report.html"  # made once learning is over, and anew whenever it is asked for
OWN = (
    *("run.json", "spec.yaml", "spec.full.yaml", "plan.json", "data.json", "preprocessing.safetensors", "metrics.jsonl"),
    *("log.txt", "checkpoints", "figures", "cache", "done", "lock.json", EVALUATION, REPORT),
)
FINISHED = "finished"  # the one exit reason after which `done` is written
EARLIER = 100  # earlier sittings that run.json remembers
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_UNFIT = re.compile(r"[^A-Za-z0-9_-]+")


def refuses(name: str) -> str:
    """Why a fragment's file cannot have this name in a run; empty where it can."""
    parts = PurePosixPath(name).parts
    if parts[0] in OWN:
        return "has the name of what every run holds"
    return "" if all(map(_PART.fullmatch, parts)) else "is called by more than letters, digits, _, - and ."


class RunFolder:
    """One run on the disk. Reading needs nothing; writing needs the lock."""

    def __init__(self, path: Path, files: Files = FILES):
        self.path = path
        self.metrics = MetricsLog(path / "metrics.jsonl", files)
        self._files = files
        self._locked = False

    # --- making and opening ------------------------------------------------------------------------------------------------

    @classmethod
    def create(cls, root: Path, name: str, out: Path | None = None, files: Files = FILES) -> RunFolder:
        """Make the next free folder ``<root>/<name>-0001``, or ``out`` itself, which must be empty or not exist yet.

        Two processes that create at one moment get two folders. Raises RunError FG607, FG604, FG605.
        """
        with reporting("making the run folder", root if out is None else out.parent, 0, "nothing was written"):
            return cls(_next_free(root, fit_name(name), files) if out is None else _named(out, files), files)

    @classmethod
    def open(cls, path: Path, files: Files = FILES) -> RunFolder:
        """A run that is there. Raises RunError FG601 where it is none, saying what is missing; FG602 for a newer format."""
        missing = [name for name in REQUIRED if not (path / name).is_file()] if path.is_dir() else [*REQUIRED]
        if missing:
            absent = "is no folder" if path.exists() else "does not exist"
            what = f"has no {' and no '.join(missing)}" if path.is_dir() else absent
            raise RunError(issue("FG601", f"{path} is not a run: it {what}", fix=_suggestion(path)))
        run = cls(path, files)
        about = run.about()
        if type(about.get("format")) is not int:
            raise RunError(issue("FG601", f"{path} is not a run: its run.json says no format", fix=_suggestion(path)))
        if about["format"] > FORMAT:
            what = f"its format is {about['format']}, this version reads {FORMAT}"
            fix = "install the version that its run.json names, or a newer one"
            raise RunError(issue("FG602", f"{path} was written by a newer version of factorgraph: {what}", fix=fix))
        return run

    @contextlib.contextmanager
    def lock(self) -> Iterator[RunFolder]:
        """Be the run's one writer. Clears up what a killed writer left. Raises RunError FG606 naming the process that writes."""
        from filelock import FileLock, Timeout

        self.inside(".lock")
        held = FileLock(self.path / ".lock", timeout=0)
        try:
            held.acquire()
        except Timeout as reason:
            raise RunError(self._occupied()) from reason
        except OSError as reason:
            explain_failure(reason, "locking the run", self.path, 0, "nothing was changed")
        try:
            self.inside("checkpoints")
            self.inside("cache")
            sweep(self.path)
            sweep(self.path / "cache")
            checkpoint.tidy(self.checkpoints, self._files)
            self._locked = True
            self.write_json("lock.json", {"pid": os.getpid(), "host": socket.gethostname(), "since": now()})
            yield self
            self.metrics.close()
        finally:
            with contextlib.suppress(RunError):  # what is on its way out already says more
                self.metrics.close()
            if self._locked:
                discard(self.path / "lock.json")
            self._locked = False
            held.release()

    def _occupied(self) -> Issue:
        try:
            about = read_json(self.path / "lock.json")
        except (RefusedError, FileNotFoundError):
            about = None
        who = "another process"
        if isinstance(about, dict):
            pid, host, since = (_plain(about.get(key))[:40] for key in ("pid", "host", "since"))
            who = f"process {pid} on {host} (since {since})"
        fix = "wait for it, stop it, or train into another folder with --out"
        return issue("FG606", f"{who} is writing to {self.path}", fix=fix)

    # --- what ran --------------------------------------------------------------------------------------------------------------

    def about(self) -> dict[str, Any]:
        """``run.json``: what ran and how it ended."""
        found = self.read_json("run.json")
        if not isinstance(found, dict):
            raise RunError(issue("FG608", "run.json is not what a run writes", notes=(str(self.path / "run.json"),)))
        return found

    def begin(self, about: Mapping[str, Any]) -> None:
        """Note a sitting in ``run.json``: ``command``, ``seed``, ``device``, ``precision``, ``threads`` and what else is told.

        A sitting that is there already moves to ``earlier``, and ``done`` goes: the run is not over.
        """
        earlier: list[Any] = []
        if (self.path / "run.json").exists():
            before = self.about()
            earlier = [*before.pop("earlier", []), before][-EARLIER:]
        if self.is_done:
            with reporting("reopening the run", self.path, 0, "the run is as it was"):
                self._files.unlink(self.path / "done")
        told = {"format": FORMAT, **about, "versions": versions(), "start": now(), "end": None, "exit": None}
        self.write_json("run.json", {**told, "earlier": earlier})

    def finish(self, reason: str, about: Mapping[str, Any] | None = None) -> None:
        """Note how the sitting ended (``finished``, ``interrupted (SIGINT)``, ``error FG610``), with times or what else is told.

        Only after ``finished`` is ``done`` written, as the last file.
        """
        self.metrics.sync()
        self.write_json("run.json", {**self.about(), **(about or {}), "end": now(), "exit": reason})
        if reason == FINISHED:
            self.write("done", b"")

    @property
    def is_written(self) -> bool:
        """Whether a process is writing it, as far as this machine can tell: what another machine says counts as so."""
        try:
            about = read_json(self.path / "lock.json")
        except (RefusedError, FileNotFoundError):
            return False
        pid = about.get("pid") if isinstance(about, dict) else None
        if os.name != "posix" or type(pid) is not int or not 0 < pid < 2**31 or about.get("host") != socket.gethostname():
            return True
        try:
            os.kill(pid, 0)  # asks whether it is there, and does nothing to it
        except ProcessLookupError:
            return False
        except PermissionError:
            pass  # there, and somebody else's
        return True

    @property
    def is_done(self) -> bool:
        """Whether the run ended as it was meant to."""
        return (self.path / "done").exists()

    # --- files -----------------------------------------------------------------------------------------------------------------

    def write(self, name: str, data: bytes | str) -> Path:
        """Put a file into the run, whole or not at all. ``name`` may lie in a folder: ``figures/filters.png``."""
        assert self._locked, "a run is written only under its lock"
        path = self.inside(name)
        if not path.parent.is_dir():
            with reporting(f"making {path.parent.name}", self.path, 0, "the run is as it was"):
                make_folders(path.parent, self._files)
        atomic_write(path, data.encode() if isinstance(data, str) else data, self._files)
        return path

    def write_json(self, name: str, value: Any) -> Path:
        """Put a JSON file into the run."""
        return self.write(name, json_bytes(value))

    def write_arrays(self, name: str, arrays: Mapping[str, np.ndarray]) -> Path:
        """Put named numpy arrays into the run, with their own checksum."""
        return self.write(name, pack_arrays(arrays))

    def read(self, name: str, limit: int = JSON_LIMIT) -> bytes:
        """The bytes of a file of the run. Raises RunError FG601 where it is missing, FG608 where it is refused."""
        return bytes(self._reading(name, lambda data: data, limit))

    def read_text(self, name: str, limit: int = JSON_LIMIT) -> str:
        """A text file of the run."""
        return str(self._reading(name, _text, limit))

    def read_json(self, name: str, limit: int = JSON_LIMIT) -> Any:
        """A JSON file of the run."""
        return self._reading(name, parse_json, limit)

    def read_arrays(self, name: str, limit: int = TENSOR_LIMIT) -> dict[str, np.ndarray]:
        """What :meth:`write_arrays` wrote; a changed bit is an error."""
        found: dict[str, np.ndarray] = self._reading(name, unpack_arrays, limit)
        return found

    def log(self, text: str) -> None:
        """One line, with the time, at the end of ``log.txt``."""
        assert self._locked, "a run is written only under its lock"
        path = self.inside("log.txt")
        with reporting("writing log.txt", self.path, len(text), "the run is as it was"):
            handle = self._files.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW)
            try:
                self._files.write(handle, f"{now()} {_plain(text)}\n".encode())
            finally:
                self._files.close(handle)

    def has(self, name: str) -> bool:
        """Whether the run has a file of this name."""
        return self.inside(name).is_file()

    def _reading(self, name: str, parse: Any, limit: int) -> Any:
        path = self.inside(name)
        try:
            return parse(read_bounded(path, limit))
        except FileNotFoundError as reason:
            fix = "train again: the run ended too early"
            raise RunError(issue("FG601", f"the run {self.path} has no {name}", fix=fix)) from reason
        except RefusedError as reason:
            raise RunError(issue("FG608", f"{name} {reason}", notes=(str(path),))) from reason

    def inside(self, name: str) -> Path:
        """A path below the run's folder that no link leads out of."""
        parts = PurePosixPath(name).parts
        plain = all(_PART.fullmatch(part) for part in parts) or name == ".lock"
        assert parts and plain, f"{name!r} is no name of a file of a run"
        path = self.path
        for part in parts:
            path = path / part
            if path.is_symlink():
                raise RunError(issue("FG608", f"{name} is a link, which is never followed", notes=(str(path),)))
        return path

    # --- checkpoints -----------------------------------------------------------------------------------------------------------

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints."""
        return self.path / "checkpoints"

    def save(
        self,
        step: int,
        tensors: Mapping[str, Mapping[str, Tensor]],
        state: Mapping[str, Any],
        *,
        name: str | None = None,
        spec_hash: str = "",
    ) -> Path:
        """Save a checkpoint: first the metrics are forced to the disk, then it is written, then old ones go."""
        assert self._locked, "a run is written only under its lock"
        self.inside("checkpoints")
        self.metrics.sync()
        about = versions()
        path = checkpoint.save(
            self.checkpoints, step, tensors, state, name=name, spec_hash=spec_hash, versions=about, files=self._files
        )
        checkpoint.prune(self.checkpoints, files=self._files)
        return path

    def load_latest(self, limit: int = TENSOR_LIMIT) -> Checkpoint:
        """The newest whole checkpoint. Raises RunError FG603."""
        self.inside("checkpoints")
        return checkpoint.load_latest(self.checkpoints, limit)

    def load_named(self, name: str, limit: int = TENSOR_LIMIT) -> Checkpoint | None:
        """The checkpoint that was saved under a name, such as a phase's. Raises RunError FG603."""
        self.inside("checkpoints")
        return checkpoint.load_named(self.checkpoints, name, limit)

    def go_back_to(self, step: int) -> None:
        """Forget what came after a step, metrics and checkpoints, before learning goes on from it."""
        assert self._locked, "a run is written only under its lock"
        self.metrics.truncate(step)
        checkpoint.forget_after(self.checkpoints, step, self._files)


def fit_name(name: str) -> str:
    """A spec's name as the name of a folder: letters, digits, ``_`` and ``-``; ``run`` where nothing is left."""
    return _UNFIT.sub("-", name).strip("-")[:64] or "run"


def now() -> str:
    """The time, as ISO 8601 in UTC to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def versions() -> dict[str, str]:
    """Versions of what a run's numbers depend on; nothing is imported for it."""
    import platform
    from importlib import metadata

    from factorgraph.version import __version__

    system = f"{platform.system()} {platform.machine()}"
    found = {"factorgraph": __version__, "python": platform.python_version(), "system": system}
    for package in ("torch", "numpy", "safetensors", "scikit-learn"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


def _next_free(root: Path, name: str, files: Files) -> Path:
    make_folders(root, files)
    taken = re.compile(re.escape(name) + r"-(\d{4,9})")
    numbers = [int(match[1]) for each in root.iterdir() if (match := taken.fullmatch(each.name))]
    number = max(numbers, default=0)
    while True:
        number += 1
        path = root / f"{name}-{number:04d}"
        try:
            files.make_folder(path)
        except FileExistsError:
            continue
        fsync_folder(root, files)
        return path


def _named(out: Path, files: Files) -> Path:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        what = "is not empty" if out.is_dir() else "is a file"
        fix = f"name another folder, or go on with that run: factorgraph train --resume {out}"
        raise RunError(issue("FG607", f"the folder for the run, {out}, {what}", fix=fix))
    if not out.exists():
        make_folders(out, files)
    return out


def _suggestion(path: Path) -> str:
    """For somebody who named the wrong folder: the runs in it, the run that it is in, or those beside it of a like name."""
    inside = [*_runs(path), *_runs(path / "runs")]
    around = [each for each in path.parents if (each / "run.json").is_file()][:1]
    beside = [each for each in (*_runs(path.parent), *_runs(path.parent / "runs")) if near(path.name, (each.name,))]
    found = [str(each) for each in (inside or around or beside)[-3:]]
    return f"did you mean {' or '.join(found)}?" if found else "name a folder that `factorgraph train` made"


def _runs(folder: Path) -> list[Path]:
    with contextlib.suppress(OSError):
        return sorted(each for each in folder.iterdir() if (each / "run.json").is_file())
    return []


def _plain(text: Any) -> str:
    """One line without control characters, for a log or a message that a terminal shows."""
    return " ".join("".join(each if each.isprintable() else " " for each in str(text)).split())


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as reason:
        raise RefusedError("is not text") from reason
