"""Where what a phase keeps of its rows lies: in one sealed file, read into memory; what is large in files that stay on the disk.

The large ones are mapped: a batch reads the pages that hold its rows, and the system forgets pages that nobody asks for. They lie
in a folder beside the sealed file, which has their types and checksums, goes before they change and is written when they are
whole. At the end of the run they go.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, Literal

import torch

from factorgraph.lazy import np
from factorgraph.run.files import discard, make_room

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from factorgraph.data.model import Array
    from factorgraph.run.folder import RunFolder

PRINT = "fingerprint"
SUM = "sha256 "  # begins the name of a checksum


@dataclass(frozen=True)
class Shelf:
    """A place for named tensors of so many rows. ``mapped``: those that stay on the disk."""

    folder: RunFolder
    place: str
    rows: int
    mapped: tuple[str, ...] = ()

    @property
    def file(self) -> str:
        return f"{self.place}.safetensors"

    def room(self, name: str, like: Tensor) -> Tensor:
        """Memory for all rows of what is like these. Raises RunError FG604 where the disk is full."""
        shape = (self.rows, *like.shape[1:])
        if name not in self.mapped:
            return torch.empty(shape, dtype=like.dtype)
        make_room(self._own(name), prod(shape) * like.element_size())
        return self._map(name, shape, like.numpy().dtype, "r+")

    def write(self, tensors: Mapping[str, Tensor], mark: Array) -> None:
        """Put what is whole now there, under a fingerprint."""
        arrays = {name: each.numpy() for name, each in tensors.items()}
        sums = {SUM + name: _sum(arrays[name]) for name in self.mapped}
        heads = {name: arrays[name][:0] for name in self.mapped}
        self.folder.write_arrays(self.file, {**arrays, **heads, **sums, PRINT: mark})

    def read(self, mark: Array) -> dict[str, Tensor] | None:
        """What lies there, if it has this fingerprint and is whole. Raises RunError where the sealed file is not."""
        if not self.folder.has(self.file):
            return None
        arrays = self.folder.read_arrays(self.file)
        sums = {name: arrays.pop(SUM + name, None) for name in self.mapped}
        if not np.array_equal(arrays.pop(PRINT, np.zeros(0)), mark) or not sums.keys() <= arrays.keys():
            return None
        found = {name: torch.from_numpy(each) for name, each in arrays.items() if name not in sums}
        for name, wanted in sums.items():
            shape, kind = (self.rows, *arrays[name].shape[1:]), arrays[name].dtype
            own = self._own(name)
            if not own.is_file() or own.stat().st_size != prod(shape) * kind.itemsize:
                return None
            found[name] = self._map(name, shape, kind, "c")
            if wanted is None or not np.array_equal(_sum(found[name].numpy()), wanted):
                return None
        return found

    def clear(self) -> None:
        """Take away what lies there, first what says that it counts."""
        discard(self.folder.inside(self.file))
        discard(self.folder.inside(self.place))

    def _own(self, name: str) -> Path:
        return self.folder.inside(f"{self.place}/{self.mapped.index(name)}")

    def _map(self, name: str, shape: tuple[int, ...], kind: Any, mode: Literal["c", "r+"]) -> Tensor:
        return torch.from_numpy(np.memmap(self._own(name), kind, mode, shape=shape))


def forget(folder: RunFolder) -> None:
    """Take what is mapped out of a run that is over: it can be made again."""
    cache = folder.path / "cache"
    for each in sorted(cache.iterdir()) if cache.is_dir() else ():
        if each.is_dir():
            discard(folder.inside(f"cache/{each.name}.safetensors"))
            discard(each)


def _sum(array: Array) -> Array:
    return np.frombuffer(hashlib.sha256(array.data.cast("B")).digest(), np.uint8)
