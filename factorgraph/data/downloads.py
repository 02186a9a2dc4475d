"""Published files brought into the cache: each checked, whole or not at all, and by one process at a time."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from factorgraph.data import paths
from factorgraph.data.bundled import INSTALL
from factorgraph.data.model import Download
from factorgraph.errors import DataError, issue

PATIENCE = 60  # seconds without a byte
PIECE = 1 << 20  # bytes
HEADERS = {"Accept-Encoding": "identity"}  # a file that is compressed already is not to be unpacked on the way
ARRIVING = ".arriving"  # where a file is until it has been checked
AGAIN = "run the command again, or put the file there by hand"
Progress = Callable[[int], None]  # told of so many more bytes


def fetch(name: str, files: Sequence[Download], shown: Callable[[Download], AbstractContextManager[Progress]]) -> Path:
    """The folder of the cache that holds ``files``, once all are there. DataError FG527 to FG530.

    ``shown`` shows how a file arrives. One that is there and right is not brought again. Two processes that fetch the same set
    wait for each other.
    """
    folder = paths.cache() / name
    with _alone(folder):
        wanted = [each for each in files if not _is(folder / each.name, each)]
        _check_room(folder, sum(each.size for each in wanted))
        for each in wanted:
            with shown(each) as progress:
                _bring(each, folder, progress)
    return folder


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    from filelock import FileLock

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):
            _sweep(folder)  # what a process left that was killed
            try:
                yield
            finally:
                _sweep(folder)
    except OSError as why:
        fix = "make room there and make it writable, or choose another cache"
        raise DataError(issue("FG530", f"{folder} cannot be written: {why.strerror or why}", fix=fix)) from None


def _sweep(folder: Path) -> None:
    shutil.rmtree(folder / ARRIVING, ignore_errors=True)


def _is(path: Path, wanted: Download) -> bool:
    if not path.is_file() or path.stat().st_size != wanted.size:
        return False
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest() == wanted.sha256


def _check_room(folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if size > free:
        why = f"{size / 1e6:.0f} MB are to be downloaded, and {folder} has room for {free / 1e6:.0f} MB"
        raise DataError(issue("FG530", why, fix="make room, or choose another cache"))


def _bring(file: Download, folder: Path, progress: Progress) -> None:
    """A file, downloaded beside its place, checked, and put there in one step."""
    pooch = _pooch()
    arriving = folder / ARRIVING
    arriving.mkdir()
    try:
        watch = _Watch(arriving, file, progress)
        downloader = pooch.HTTPDownloader(timeout=PATIENCE, headers=HEADERS, progressbar=watch, chunk_size=PIECE)
        arrived = pooch.retrieve(file.url, f"sha256:{file.sha256}", fname=file.name, path=arriving, downloader=downloader)
    except OSError as why:
        if why.errno is not None:  # the disk's; those of requests have no number
            raise
        raise DataError(issue("FG528", f"{file.url} could not be downloaded: {why}", fix=AGAIN)) from None
    except ValueError:  # pooch's word for a hash that differs
        raise _another(file) from None
    with Path(arrived).open("rb") as stream:
        os.fsync(stream.fileno())
    Path(arrived).replace(folder / file.name)
    _sweep(folder)


def _pooch() -> Any:
    try:
        import pooch
    except ModuleNotFoundError:
        raise DataError(issue("FG527", "pooch, which downloads, is not installed", fix=INSTALL)) from None
    pooch.get_logger().setLevel("WARNING")
    return pooch


def _another(file: Download) -> DataError:
    why = f"what {file.url} gave is not the file that was published: {file.size} bytes with SHA-256 {file.sha256[:12]}..."
    return DataError(issue("FG529", why, fix=AGAIN))


class _Watch:
    """Sees what arrives, in the place of one of pooch's progress bars, and stops a server that sends more than the file has."""

    total = 0

    def __init__(self, folder: Path, file: Download, progress: Progress):
        self.folder, self.file, self.progress, self.got = folder, file, progress, 0

    def update(self, _: int) -> None:
        got = sum(each.stat().st_size for each in self.folder.iterdir())
        if got > self.file.size:
            raise _another(self.file)
        self.progress(got - self.got)
        self.got = got

    def reset(self) -> None:
        """Nothing: what arrived has arrived."""

    def close(self) -> None:
        """Nothing: there is no bar."""
