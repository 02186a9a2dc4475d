"""A file is whole or not there; what a stranger made is read within bounds."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from factorgraph.errors import RunError
from factorgraph.run.files import (
    Files,
    RefusedError,
    atomic_json,
    atomic_write,
    in_words,
    make_room,
    parse_json,
    read_bounded,
    read_json,
    sweep,
)


def test_a_file_is_replaced_and_nothing_else_stays(tmp_path: Path) -> None:
    path = tmp_path / "data.json"
    atomic_json(path, {"a": [1, 0.37, None], "ü": "é"})
    atomic_json(path, {"b": 2})
    assert read_json(path) == {"b": 2}
    assert [each.name for each in tmp_path.iterdir()] == ["data.json"]
    assert path.stat().st_mode & 0o777 == 0o666 & ~_umask()


def test_bytes_are_on_the_disk_before_the_name_and_the_name_before_anything_else(tmp_path: Path) -> None:
    """The order that survives a power cut; no test can pull the plug, so the calls themselves are looked at."""
    calls: list[str] = []

    class Watched(Files):
        def fsync(self, handle: int) -> None:
            calls.append("fsync folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "fsync file")
            super().fsync(handle)

        def rename(self, old: Path, new: Path) -> None:
            calls.append("rename")
            super().rename(old, new)

    atomic_write(tmp_path / "name", b"bytes", Watched())
    assert calls == ["fsync file", "rename", "fsync folder"]


def test_room_is_all_there_at_once_or_not_at_all(tmp_path: Path) -> None:
    class Full(Files):
        def reserve(self, handle: int, size: int) -> None:
            os.write(handle, b"some of it")
            raise OSError(errno.ENOSPC, "full")

    room = tmp_path / "cache" / "0"
    make_room(room, 100_000)
    assert room.stat().st_blocks * 512 >= 100_000
    with pytest.raises(RunError, match="FG604: disk full while making room for 0: needs 200 kB"):
        make_room(room, 200_000, Full())
    assert not room.exists()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_link_is_replaced_and_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("mine")
    (tmp_path / "name").symlink_to(tmp_path / "elsewhere")
    atomic_write(tmp_path / "name", b"new")
    assert (tmp_path / "elsewhere").read_text() == "mine"
    assert not (tmp_path / "name").is_symlink()


def test_a_folder_that_is_not_there_is_told_and_nothing_is_not_json(tmp_path: Path) -> None:
    with pytest.raises(
        RunError, match=r"FG610: No such file or directory while writing x in .*no; nothing was (.|\n)*make the folder first"
    ):
        atomic_write(tmp_path / "no" / "x", b"")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(
        RunError, match=r"FG610: Not a directory while writing x in .*file; nothing was (.|\n)*name a file in a folder"
    ):
        atomic_write(tmp_path / "file" / "x", b"")
    (tmp_path / "file").unlink()
    with pytest.raises(ValueError, match="not JSON compliant"):
        atomic_json(tmp_path / "x", float("nan"))
    assert not list(tmp_path.iterdir())


def test_reading_refuses_what_is_no_ordinary_file_or_too_large(tmp_path: Path) -> None:
    ten = tmp_path / "ten"
    ten.write_bytes(b"0123456789")
    assert read_bounded(ten, 10) == b"0123456789"
    with pytest.raises(RefusedError, match="10 bytes, more than the 9 bytes"):
        read_bounded(ten, 9)
    (tmp_path / "link").symlink_to(ten)
    with pytest.raises(RefusedError, match="is a link"):
        read_bounded(tmp_path / "link", 10)
    os.mkfifo(tmp_path / "pipe")
    for name in (tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        with pytest.raises(RefusedError, match=r"not an ordinary file|cannot be read"):
            read_bounded(name, 10)
    with pytest.raises(FileNotFoundError):
        read_bounded(tmp_path / "nothing", 10)


@pytest.mark.parametrize("text", ["", "{", "NaN", "[Infinity]", '{"a": 1, "a": 1}', "[" * 100_000, "9" * 5000, "\ud800"])
def test_json_that_no_run_writes_is_refused(text: str) -> None:
    with pytest.raises(RefusedError):
        parse_json(text.encode("utf-8", "surrogatepass"))


def test_sweeping_takes_what_is_half_written_and_follows_no_link(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("mine")
    folder = tmp_path / "run"
    (folder / ".tmp-step-1" / "deep").mkdir(parents=True)
    (folder / ".tmp-step-1" / "link").symlink_to(outside)
    (folder / ".tmp-file").write_text("half")
    (folder / ".tmp-link").symlink_to(outside)
    (folder / "file.tmp-").write_text("a user's")
    assert sweep(folder) == 3
    assert [each.name for each in folder.iterdir()] == ["file.tmp-"]
    assert (outside / "precious").read_text() == "mine"
    assert sweep(tmp_path / "nothing") == 0


def test_bytes_in_words() -> None:
    sizes = (24, 3_700, 310_499, 1_600_000, 61_000_000)
    assert [in_words(size) for size in sizes] == ["24 bytes", "4 kB", "310 kB", "1.6 MB", "61 MB"]


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_no_file_is_not_replaced(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "page.md"
    path.mkdir() if kind == "folder" else os.mkfifo(path)
    with pytest.raises(RunError, match="is not replaced") as caught:
        atomic_write(path, b"rows")
    assert caught.value.issues[0].code == "FG661" and not path.is_file() and len(list(tmp_path.iterdir())) == 1
