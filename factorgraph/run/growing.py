"""Arrays that grow by rows, of which memory holds a little: what is inferred for more rows than would fit."""

from __future__ import annotations

import math
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, Any

from factorgraph.lazy import np
from factorgraph.run.files import atomic_stream, reporting

if TYPE_CHECKING:
    from numpy import ndarray

IN_MEMORY = 2**24  # bytes of an array; one that is larger waits on the disk until all rows are there
AT_ONCE = 2**20  # bytes that are packed
LEVEL = 1  # of packing: at the usual 6 dense numbers take as much room, and sparse ones three times the seconds


@dataclass
class _Column:
    """The rows of one array so far, as bytes."""

    waiting: SpooledTemporaryFile[bytes]
    kind: Any
    shape: tuple[int, ...]  # of a row
    size: int = 0  # bytes

    def write(self, stream: IO[bytes]) -> None:
        """As an .npy."""
        rows = self.size // (self.kind.itemsize * math.prod(self.shape))
        head = {"descr": np.lib.format.dtype_to_descr(self.kind), "fortran_order": False, "shape": (rows, *self.shape)}
        np.lib.format.write_array_header_1_0(stream, head)
        self.waiting.seek(0)
        shutil.copyfileobj(self.waiting, stream, AT_ONCE)


class Growing(Mapping[str, "ndarray"]):
    """Arrays by name. An array that is asked for comes whole, so ask for what is small; :meth:`save` needs no memory.

    ``output``: in whose folder what is large waits, in files without a name, which end with the process.
    """

    def __init__(self, output: Path):
        self._folder = next(each for each in (output.absolute(), *output.absolute().parents) if each.is_dir())
        self._columns: dict[str, _Column] = {}
        self._open = ExitStack()

    def __enter__(self) -> Growing:
        return self

    def __exit__(self, *reason: object) -> None:
        self._open.close()

    def __len__(self) -> int:
        return len(self._columns)

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __getitem__(self, name: str) -> ndarray:
        column = self._columns[name]
        column.waiting.seek(0)
        return np.frombuffer(column.waiting.read(), column.kind).reshape(-1, *column.shape)

    def add(self, rows: Mapping[str, ndarray]) -> None:
        """More rows of every array, the same number of each. Raises RunError FG604 where the disk is full."""
        for name, each in rows.items():
            column = self._columns.get(name) or self._begin(name, each)
            with reporting(f"keeping {name}", self._folder, each.nbytes, "nothing was written"):
                column.waiting.seek(column.size)
                column.size += column.waiting.write(np.ascontiguousarray(each, column.kind).tobytes())

    def _begin(self, name: str, rows: ndarray) -> _Column:
        waiting = SpooledTemporaryFile(IN_MEMORY, dir=str(self._folder))  # noqa: SIM115  closed with all others
        self._open.enter_context(waiting)
        self._columns[name] = _Column(waiting, rows.dtype, rows.shape[1:])
        return self._columns[name]

    def save(self, path: Path, beside: Mapping[str, ndarray]) -> None:
        """All arrays, and some ``beside`` them, as an .npz that appears whole or not at all."""
        needed = sum(each.size for each in self._columns.values())
        with (
            atomic_stream(path, needed) as stream,
            zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as file,
        ):
            for name, column in self._columns.items():
                with file.open(_member(name), "w", force_zip64=True) as member:
                    column.write(member)
            for name, array in beside.items():
                with file.open(_member(name), "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, array, allow_pickle=False)


def _member(name: str) -> str:
    return f"{name.replace('/', '.')}.npy"
