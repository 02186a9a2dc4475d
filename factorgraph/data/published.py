"""Sets that others publish: where their files may lie, and how these are read without trusting them.

A set is found as one folder, with its files as they are or compressed, or as the archive in which its authors offer it. Nothing
is unpacked to disk, and no file is read beyond the length that it has in the published set.
"""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from factorgraph.data import paths
from factorgraph.data.broken import BROKEN, reason
from factorgraph.data.model import Download
from factorgraph.errors import DataError, Issue, issue

SOURCE = ("data", "source")
ENDS = 3  # times that a reader may find the end of an archive: tarfile skips a torn file of 1 TB in 100 million steps


@dataclass(frozen=True)
class Found:
    """The folder, or the archive, that holds the files of a set."""

    place: Path
    roots: tuple[Path, ...]
    unfolded: int  # bytes that the whole archive has when it is unfolded, at most

    def has(self, name: str) -> bool:
        """Whether a file lies here; an archive may hold any."""
        return self.place.is_file() or _file(self.place, name, self.roots) is not None

    def read(self, longest: Mapping[str, int]) -> dict[str, bytes]:
        """The bytes of files by name, each no longer than stated. DataError FG526."""
        found = self._beginnings({name: most + 1 for name, most in longest.items()})
        for name, raw in found.items():
            if len(raw) > longest[name]:
                raise damaged(self.place / name, f"it is longer than the {longest[name]} bytes that such a file has")
        return found

    def first(self, name: str, many: int) -> bytes:
        """The first so many bytes of a file; fewer, where it is shorter. DataError FG526."""
        return self._beginnings({name: many})[name]

    def _beginnings(self, many: Mapping[str, int]) -> dict[str, bytes]:
        try:
            return self._archived(many) if self.place.is_file() else self._plain(many)
        except (*BROKEN, tarfile.TarError) as why:
            raise damaged(self.place, f"it cannot be read: {reason(why)}") from None

    def _plain(self, many: Mapping[str, int]) -> dict[str, bytes]:
        found = {}
        for name, most in many.items():
            path = _file(self.place, name, self.roots)
            if path is None:
                raise damaged(self.place, f"it has no file {name}")
            with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
                found[name] = stream.read(most)
        return found

    def _archived(self, many: Mapping[str, int]) -> dict[str, bytes]:
        found = {}
        with _members(self.place, self.unfolded) as archive:
            for member in archive:
                name = PurePosixPath(member.name).name
                stream = archive.extractfile(member) if member.isreg() and name in many and name not in found else None
                if stream is not None:
                    found[name] = stream.read(many[name])
                if len(found) == len(many):
                    return found
        missing = ", ".join(name for name in many if name not in found)
        raise damaged(self.place, f"it has no file {missing}")


def find(homes: Sequence[str], files: Sequence[str], archive: str, unfolded: int, roots: Sequence[Path]) -> Found | None:
    """The first folder among ``homes`` below the roots that holds all of ``files``, or else the ``archive``, if there is one."""
    for root in roots:
        for home in homes:
            if all(_file(root / home, name, roots) for name in files):
                return Found((root / home).resolve(), tuple(roots), unfolded)
        packed = paths.first([f"{home}/{archive}" for home in homes], [root], SOURCE) if archive else None
        if packed is not None:
            return Found(packed, tuple(roots), unfolded)
    return None


def missing(name: str, files: Sequence[str], downloads: Sequence[Download], licence: str, roots: Sequence[Path]) -> Issue:
    """FG525: what the files are, where they were looked for, and how to get them."""
    looked = tuple(f"looked in {root}" for root in dict.fromkeys(map(str, roots)))
    notes = (f"its files: {', '.join(files)}", f"licence: {licence}", *looked)
    fix = f"factorgraph fetch {name} ({megabytes(downloads)}), or set FACTORGRAPH_DATA to a folder that holds {name}/"
    return issue("FG525", f"the set {name} is not on this machine", SOURCE, notes=notes, fix=fix)


def megabytes(downloads: Sequence[Download]) -> str:
    """The sizes of files together, for people."""
    size = sum(each.size for each in downloads)
    return f"{size / 1e9:.2g} GB" if size >= 1e9 else f"{size / 1e6:.3g} MB"


def damaged(path: Path, why: str) -> DataError:
    """FG526, to be raised."""
    return DataError(issue("FG526", f"{path} is not as it was published: {why}", SOURCE, fix="fetch it again, or take it away"))


def _file(folder: Path, name: str, roots: Sequence[Path]) -> Path | None:
    """A file as it is or compressed; browsers and tools write the first dash of MNIST's names as a dot."""
    spellings = dict.fromkeys((name, name.replace("-idx", ".idx")))
    names = [f"{each}{ending}" for each in spellings for ending in ("", ".gz")]
    return next((paths.find(str(folder / each), roots, SOURCE) for each in names if (folder / each).is_file()), None)


@contextmanager
def _members(path: Path, most: int) -> Iterator[tarfile.TarFile]:
    """The members of a compressed archive in turn; what unfolds to more than it should is given up."""
    with gzip.open(path) as unfolded, tarfile.open(fileobj=_Bounded(unfolded, most), mode="r|") as archive:
        yield archive


class _Bounded(io.BufferedIOBase):
    """A stream that ends with an error after so many bytes, and for those who go on reading at its end."""

    def __init__(self, stream: gzip.GzipFile, most: int):
        self.stream, self.left, self.ends = stream, most, 0

    def read(self, size: int | None = -1) -> bytes:
        found = self.stream.read(size)
        self.left -= len(found)
        self.ends += not found
        if self.left < 0:
            raise ValueError("it unfolds to more than the published set")
        if self.ends > ENDS:
            raise EOFError("it ends within a file")
        return found
