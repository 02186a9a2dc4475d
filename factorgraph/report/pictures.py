"""The figures of a run as a page shows them: their bytes or their address, their size, and what they say of themselves."""

from __future__ import annotations

import base64
import contextlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from factorgraph.errors import FactorgraphError

if TYPE_CHECKING:
    from pathlib import Path

    from factorgraph.run.folder import RunFolder

LIMIT = 32 * 2**20  # bytes of one picture
BROAD = 1.5  # times as wide as high: it gets two columns
MOST_WORDS = 1000  # characters of a description
PNG = b"\x89PNG\r\n\x1a\n"
# What people look at first; then all others, and last what the page draws itself.
FIRST = ("filters", "samples", "reconstructions", "energy", "energy_while_learning", "codes", "maps")
LAST = ("health", "curves")


@dataclass(frozen=True)
class Picture:
    """A figure of the run. ``source``: what an ``img`` shows; ``words``: what it says of itself."""

    name: str
    caption: str
    source: str
    words: str = ""
    width: int = 0  # pixels; 0 where nobody knows
    height: int = 0

    @property
    def alt(self) -> str:
        """What stands for the picture where it cannot be seen."""
        return f"{self.caption}. {self.words}" if self.words else self.caption

    @property
    def is_broad(self) -> bool:
        return self.width > BROAD * self.height > 0


def pictures(folder: RunFolder, live: bool = False) -> list[Picture]:
    """The run's figures. ``live``: by address, read anew when they change; else with their bytes. What is no PNG is left out."""
    place = folder.path / "figures"
    files = sorted(place.glob("*.png"), key=lambda each: (_rank(each.stem), each.stem)) if place.is_dir() else []
    made = (_picture(folder, each, live) for each in files if not each.is_symlink())
    return [each for each in made if each is not None]


def _picture(folder: RunFolder, file: Path, live: bool) -> Picture | None:
    with contextlib.suppress(OSError, FactorgraphError):
        data = folder.read(f"figures/{file.name}", LIMIT)
        if data.startswith(PNG):
            inside = f"data:image/png;base64,{base64.b64encode(data).decode()}"
            source = f"figures/{file.name}?{file.stat().st_mtime_ns}" if live else inside
            width, height = struct.unpack(">II", data[16:24]) if len(data) >= 24 else (0, 0)
            return Picture(file.stem, caption(file.stem), source, description(data), width, height)
    return None


def description(data: bytes) -> str:
    """The text that a PNG carries under *Description*; empty where it has none, or is not whole."""
    for kind, body in _chunks(data):
        name, _, rest = body.partition(b"\0")
        if kind == b"tEXt" and name == b"Description":
            return rest.decode("latin-1")[:MOST_WORDS]
        if kind == b"iTXt" and name == b"Description" and rest[:1] == b"\0":  # not compressed
            return rest[2:].split(b"\0", 2)[-1].decode(errors="replace")[:MOST_WORDS]
    return ""


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The parts of a PNG before its pixels."""
    at = len(PNG)
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"IDAT":
            return
        yield kind, data[at + 8 : at + 8 + size]
        at += 12 + size


def caption(stem: str) -> str:
    """``filters-decoder`` as words: *Filters: decoder*."""
    kind, _, of = stem.partition("-")
    return f"{kind.replace('_', ' ').capitalize()}: {of}" if of else kind.replace("_", " ").capitalize()


def _rank(stem: str) -> int:
    kind = stem.partition("-")[0]
    if kind in LAST:
        return len(FIRST) + 1 + LAST.index(kind)
    return FIRST.index(kind) if kind in FIRST else len(FIRST)
