"""numpy's own files, read without running anything: sizes are checked before memory is taken, objects are refused."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from factorgraph import errors
from factorgraph.data.bounds import check_size
from factorgraph.data.broken import BROKEN, reason
from factorgraph.data.rows import ROWS_AT_ONCE
from factorgraph.errors import DataError, issue
from factorgraph.lazy import np

if TYPE_CHECKING:
    from factorgraph.data.model import Array

ENDINGS = frozenset({".npy", ".npz"})
THE_ONE = "array"  # the name of what an .npy file holds
NUMBERS = "biuf"  # kinds of numpy types: bool, integers, floating point
MOST_ARRAYS = 1000  # in one file
LONGEST_HEAD = 10_000  # bytes; numpy writes 128


def read(path: Path, at: errors.Path = (), only: Collection[str] | None = None) -> dict[str, Array]:
    """The arrays of a file by name, or ``only`` some. Raises DataError FG515 (unreadable, not numbers) or FG508 (too large)."""
    if path.suffix.lower() not in ENDINGS:
        why = f"{path} is not a file of arrays"
        raise DataError(issue("FG523", why, at, allowed=", ".join(sorted(ENDINGS)), fix="save it with numpy.save or numpy.savez"))
    with _reading(path, at):
        return _npy(path, at) if path.suffix.lower() == ".npy" else _npz(path, at, only)


def in_pieces(path: Path, rows: int) -> Iterator[Array]:
    """An .npy of any size, so many rows at a time, each piece read when its turn comes; of no rows one piece. DataError FG515."""
    with _reading(path, ()), path.open("rb") as stream:
        shape, kind = _head(stream)
    _check_kind(path, THE_ONE, kind, ())
    for first in range(0, max(1, *shape[:1]), rows):
        with _reading(path, ()):  # mapped anew: what was read of a map that stays counts as memory
            mapped = np.lib.format.open_memmap(path, mode="r") if 0 not in shape else np.empty(shape, kind)
            piece = np.array(mapped[first : first + rows] if shape else mapped)
        yield piece


@contextmanager
def _reading(path: Path, at: errors.Path) -> Iterator[None]:
    try:
        yield
    except BROKEN as why:
        raise DataError(issue("FG515", f"{path} cannot be read: {reason(why)}", at, fix="save it anew with numpy.save")) from None


def _npy(path: Path, at: errors.Path) -> dict[str, Array]:
    with path.open("rb") as stream:
        shape, kind = _head(stream)
        _check(path, THE_ONE, shape, kind, at)
        stream.seek(0)
        return {THE_ONE: np.lib.format.read_array(stream, allow_pickle=False)}


def _npz(path: Path, at: errors.Path, only: Collection[str] | None) -> dict[str, Array]:
    found = {}
    with zipfile.ZipFile(path) as archive:
        members = [each for each in archive.infolist() if each.filename.endswith(".npy")]
        members = [each for each in members if only is None or each.filename[:-4] in only]
        if len(members) > MOST_ARRAYS:
            raise ValueError(f"it holds {len(members)} arrays; {MOST_ARRAYS} are the limit")
        if any(each.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for each in members):
            raise ValueError("it is compressed in a way that numpy does not use")
        check_size(sum(each.file_size for each in members), (), f"bytes in {path}", at, bytes_each=1)
        for member in members:
            with archive.open(member) as stream:
                shape, kind = _head(stream)
            _check(path, member.filename[:-4], shape, kind, at)
        for member in members:
            with archive.open(member) as stream:
                found[member.filename[:-4]] = np.lib.format.read_array(stream, allow_pickle=False)
    return found


def _head(stream: BinaryIO | Any) -> tuple[tuple[int, ...], Any]:
    """Shape and type of an array. Its head is read by its stated length only where such a head may be."""
    magic = stream.read(len(np.lib.format.MAGIC_PREFIX) + 2)
    version = tuple(magic[-2:])
    if magic[:-2] != np.lib.format.MAGIC_PREFIX or version not in ((1, 0), (2, 0)):
        raise ValueError("it is no array, or of a version of the format that is not read here")
    length = stream.read(2 if version == (1, 0) else 4)
    size = int.from_bytes(length, "little")
    if size > LONGEST_HEAD:
        raise ValueError(f"its head has {size} bytes; {LONGEST_HEAD} are the limit")
    head = io.BytesIO(length + stream.read(size))
    parse = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, kind = parse(head)
    if any(each < 0 for each in shape):
        raise ValueError(f"it has the shape {list(shape)}")
    return shape, kind


def _check(path: Path, name: str, shape: tuple[int, ...], kind: Any, at: errors.Path) -> None:
    _check_kind(path, name, kind, at)
    check_size(shape[0] if shape else 1, tuple(shape[1:]), f"rows of {name}", at, bytes_each=max(kind.itemsize, 4))


def _check_kind(path: Path, name: str, kind: Any, at: errors.Path) -> None:
    if kind.hasobject:
        why = f"{name} in {path} holds Python objects; reading such files can run code, so it is not done"
        raise DataError(issue("FG515", why, at, fix="save it as numbers: numpy.save(file, array.astype('float32'))"))
    if kind.kind not in NUMBERS:
        why = f"{name} in {path} holds {kind}, not numbers"
        raise DataError(issue("FG515", why, at, allowed="real numbers, whole numbers, truth values", fix="convert it"))


def check_finite(name: str, x: Array, at: errors.Path, first: int = 0) -> None:
    """Raise DataError FG507, naming the first row, unless every value is a number that float32 can hold.

    ``first``: the number of the first row, where others were looked at before.
    """
    if x.dtype.kind != "f":
        return
    for start in range(0, len(x), ROWS_AT_ONCE):
        piece = x[start : start + ROWS_AT_ONCE]
        wrong = np.argwhere(~(np.abs(piece) <= np.finfo(np.float32).max))  # NaN compares as false
        if len(wrong):
            row, value = first + start + int(wrong[0, 0]), piece[tuple(wrong[0])]
            why = f"field {name}, row {row} (counted from 0), holds {value}: learning from it would spoil every parameter"
            raise DataError(issue("FG507", why, at, fix="remove such rows, or put numbers in their place"))
