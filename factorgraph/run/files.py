"""Writing that a crash cannot tear and reading that a stranger's folder cannot abuse: the doorway of a run to the disk.

A file appears whole or not at all: its bytes go to a neighbour called ``.tmp-...``, are forced to the disk, and take the name by
one rename. Every call to the operating system goes through a :class:`Files`, so that tests can make the Nth one fail for every N.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from factorgraph.errors import RunError, issue

TEMPORARY = ".tmp-"  # what begins so is half written: swept when the next writer starts
JSON_LIMIT = 4 * 2**20  # bytes of a JSON file of a run; at worst 25 times that in memory
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


class Files:
    """What writing asks of the operating system, one method a call. All raise ``OSError``."""

    def make_folder(self, path: Path) -> None:
        path.mkdir()

    def open(self, path: Path, flags: int) -> int:
        return os.open(path, flags | os.O_CLOEXEC, 0o666)

    def write(self, handle: int, data: memoryview | bytes) -> int:
        return os.write(handle, data)

    def fsync(self, handle: int) -> None:
        os.fsync(handle)

    def cut(self, handle: int, size: int) -> None:
        os.ftruncate(handle, size)

    def reserve(self, handle: int, size: int) -> None:
        os.posix_fallocate(handle, 0, size)

    def close(self, handle: int) -> None:
        os.close(handle)

    def rename(self, source: Path, target: Path) -> None:
        source.replace(target)

    def unlink(self, path: Path) -> None:
        path.unlink()

    def remove_folder(self, path: Path) -> None:
        shutil.rmtree(path)


FILES = Files()


# --- writing -------------------------------------------------------------------------------------------------------------------


def write_all(handle: int, data: bytes, files: Files = FILES) -> None:
    """Write every byte, also where the system takes fewer at a time."""
    rest = memoryview(data)
    while rest:
        rest = rest[files.write(handle, rest) :]


def write_new(path: Path, data: bytes, files: Files = FILES) -> None:
    """Make a file that did not exist, and force it to the disk."""
    handle = files.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW)
    try:
        write_all(handle, data, files)
        files.fsync(handle)
    finally:
        files.close(handle)


def make_room(path: Path, size: int, files: Files = FILES) -> None:
    """Make a file of so many zeros in the place of what is there, to be written by mapping it. Raises RunError FG604.

    All of it is on the disk: one that is full while memory is mapped would end the process.
    """
    discard(path)
    with reporting(f"making room for {path.name}", path.parent.parent, size, "the run is as it was"):
        make_folders(path.parent, files)
        handle = files.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW)
        try:
            files.reserve(handle, size)
        except OSError:
            discard(path)
            raise
        finally:
            files.close(handle)


def fsync_folder(path: Path, files: Files = FILES) -> None:
    """Force a folder's names to the disk: a rename survives a power cut only after this."""
    handle = files.open(path, os.O_RDONLY)
    try:
        files.fsync(handle)
    finally:
        files.close(handle)


def make_folders(path: Path, files: Files = FILES) -> None:
    """Make a folder and those above it, where they are missing."""
    if not path.is_dir():
        make_folders(path.parent, files)
        with contextlib.suppress(FileExistsError):  # another process made it meanwhile; a file in its place shows itself later
            files.make_folder(path)
        fsync_folder(path.parent, files)


def temporary(folder: Path, name: str) -> Path:
    """A name in ``folder`` that nobody has and that the next sweep removes."""
    return folder / f"{TEMPORARY}{name}-{os.getpid()}-{secrets.token_hex(4)}"


def atomic_write(path: Path, data: bytes, files: Files = FILES, kept: str = "the old file is as it was") -> None:
    """Give ``path`` these bytes or leave it as it was. Raises RunError FG604, FG605, FG610, or FG661 where it is no file."""
    _check_is_file(path)
    half = temporary(path.parent, path.name)
    with reporting(f"writing {path.name}", path.parent, len(data), kept):
        try:
            write_new(half, data, files)
            files.rename(half, path)
        except OSError:
            discard(half)
            raise
        fsync_folder(path.parent, files)


@contextlib.contextmanager
def atomic_stream(path: Path, needed: int, files: Files = FILES) -> Iterator[BinaryIO]:
    """As :func:`atomic_write`, of bytes that come one after the other, about ``needed`` of them."""
    _check_is_file(path)
    half = temporary(path.parent, path.name)
    with reporting(f"writing {path.name}", path.parent, needed, "the old file is as it was"):
        try:
            with half.open("xb") as stream:
                yield stream
                stream.flush()
                files.fsync(stream.fileno())
            files.rename(half, path)
        except BaseException:
            discard(half)
            raise
        fsync_folder(path.parent, files)


def _check_is_file(path: Path) -> None:
    """Raises RunError FG661 where what is there is no file."""
    if path.exists() and not path.is_file():
        what = f"{path} is {'a folder' if path.is_dir() else 'a device or a pipe'}, and is not replaced by a file"
        raise RunError(issue("FG661", what, fix="name a file, or a path where there is nothing yet"))


def spare(path: Path, sources: Iterable[Path]) -> None:
    """Raises RunError FG661 where ``path`` is one of the files that its new bytes were made of."""
    if path.exists() and path.resolve() in {each.resolve() for each in sources}:
        what = f"{path} is what this is made of, and is not replaced by it"
        raise RunError(issue("FG661", what, fix="name another file with -o"))


def atomic_json(path: Path, value: Any, files: Files = FILES) -> None:
    """:func:`atomic_write` of a JSON value."""
    atomic_write(path, json_bytes(value), files)


def json_bytes(value: Any) -> bytes:
    """A JSON value as the bytes that a run stores: keys in the order given, no NaN, a newline at the end."""
    return (json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def discard(path: Path) -> None:
    """Remove a half-written file or folder, as well as it goes: what stays is swept later."""
    with contextlib.suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def sweep(folder: Path) -> int:
    """Remove what a killed writer left half done in a folder. Only the folder's one writer may call it. Says how many went."""
    found = [each for each in folder.iterdir() if each.name.startswith(TEMPORARY)] if folder.is_dir() else []
    for each in found:
        discard(each)
    return len(found)


@contextlib.contextmanager
def reporting(doing: str, folder: Path, needed: int, kept: str) -> Iterator[None]:
    """Turn an ``OSError`` inside into a RunError that says what was done, what it needs, what there is and what was kept."""
    try:
        yield
    except OSError as reason:
        explain_failure(reason, doing, folder, needed, kept)


def explain_failure(reason: OSError, doing: str, folder: Path, needed: int, kept: str) -> NoReturn:
    """Raise the RunError for a failed write: FG604 disk full, FG605 not allowed, FG610 anything else."""
    if reason.errno in _FULL:
        raise RunError(
            issue(
                "FG604",
                f"disk full while {doing}: needs {in_words(needed)}, {free_space(folder)} free in {folder}; {kept}",
                fix="free some space, then go on with `factorgraph train --resume`",
            )
        ) from reason
    if reason.errno in _FORBIDDEN:
        why = "the disk is read-only" if reason.errno == errno.EROFS else "permission denied"
        raise RunError(
            issue(
                "FG605",
                f"{why} while {doing} in {folder}; {kept}",
                fix="name a folder that you may write to with --out, or change its permissions",
            )
        ) from reason
    there = folder.is_dir()
    message = f"{reason.strerror or reason} while {doing} in {folder}; {kept if there else 'nothing was written'}"
    wanted = "name a file in a folder" if folder.exists() else "make the folder first"
    raise RunError(issue("FG610", message, fix="check the disk, then resume the run" if there else wanted)) from reason


def free_space(folder: Path) -> str:
    """How much the disk of a folder, or of what will hold it, can still take, in words."""
    try:
        return in_words(shutil.disk_usage(next(each for each in (folder, *folder.parents) if each.exists())).free)
    except OSError:
        return "an unknown amount"


def in_words(size: int) -> str:
    """A number of bytes in words: ``61 MB``, ``1.6 MB``, ``310 kB``."""
    if size < 1e6:
        return f"{size / 1e3:.0f} kB" if size >= 1e3 else f"{size} bytes"
    return f"{size / 1e6:.0f} MB" if size >= 1e7 else f"{size / 1e6:.1f} MB"


# --- reading -------------------------------------------------------------------------------------------------------------------


class RefusedError(Exception):
    """A file that must not be read, or whose bytes are not what they should be.

    The message is half a sentence: ``is a link``.
    """


def read_bounded(path: Path, limit: int) -> bytes:
    """The bytes of an ordinary file of at most ``limit`` bytes. Links, pipes and devices are refused, never followed.

    Raises :class:`RefusedError`; ``FileNotFoundError`` where there is nothing.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        raise
    except OSError as reason:
        what = "is a link, which is never followed" if path.is_symlink() else f"cannot be read ({reason.strerror})"
        raise RefusedError(what) from reason
    try:
        about = os.fstat(handle)
        if not stat.S_ISREG(about.st_mode):
            raise RefusedError("is not an ordinary file")
        if about.st_size > limit:
            raise RefusedError(f"has {in_words(about.st_size)}, more than the {in_words(max(limit, 0))} that are read")
        with open(handle, "rb", closefd=False) as file:  # the file that was looked at, not its name again
            data = file.read(about.st_size + 1)
    except OSError as reason:
        raise RefusedError(f"cannot be read ({reason.strerror})") from reason
    except MemoryError as reason:
        raise RefusedError(f"has {in_words(about.st_size)}, more than the memory holds") from reason
    finally:
        os.close(handle)
    if len(data) != about.st_size:
        raise RefusedError("changed while it was read")
    return data


def parse_json(data: bytes) -> Any:
    """A JSON value from bytes that nobody vouches for: one key once, no NaN. Raises :class:`RefusedError`."""
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=_one_key_once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as reason:
        raise RefusedError("is not JSON that a run writes") from reason


def read_json(path: Path, limit: int = JSON_LIMIT) -> Any:
    """A JSON file of a run. Raises :class:`RefusedError` or ``FileNotFoundError``."""
    return parse_json(read_bounded(path, limit))


def _one_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")
