"""House numbers seen from the street: SVHN."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import ClassVar, Literal

from factorgraph.data import published
from factorgraph.data.bundled import INSTALL
from factorgraph.data.model import Download, Request
from factorgraph.data.sources._pictures import Pictures, PublishedPictures, pictures
from factorgraph.errors import DataError, issue
from factorgraph.lazy import np
from factorgraph.structure import Shape

SHAPE = (3, 32, 32)
FILES = {"train_32x32.mat": 73_257, "test_32x32.mat": 26_032}  # pictures
SERVER = "http://ufldl.stanford.edu/housenumbers/"
TEN = 10  # how the files write the digit 0
HEAD = 128  # bytes of a MATLAB 5 file before its first element
PACKED = 15  # the kind of an element that is compressed
PIECE = 1 << 20
AROUND = 16_000_000  # bytes beside the pixels: labels as floating-point numbers, heads


class Svhn(PublishedPictures):
    """Digits of house numbers seen from the street, in colour, 32 x 32 pixels, 0 to 1: 73,257 to learn from and 26,032 to test.

    Read are the two files of cropped digits, train_32x32.mat and test_32x32.mat, from svhn/ below a folder that the spec may
    read. Beside the digit that the label names, parts of its neighbours are often seen. The files' label 10 is the digit 0. The
    split is the set's own; ``count`` and ``test`` choose rows of each side by chance.

    Fields:  image (3, 32, 32), or as ``size`` and ``colors`` say; label (): 0 to 9.
    Units:   parts of the brightest red, green and blue.
    Errors:  FG525 where the files are missing, FG526 where they are damaged, FG527 where scipy, which reads them, is missing.
    Source:  Netzer, Wang, Coates, Bissacco, Wu & Ng, NIPS workshop on deep learning and unsupervised feature learning, 2011.
    """

    type: Literal["svhn"] = "svhn"

    licence: ClassVar[str] = "for use that is not commercial; to be cited as Netzer et al. 2011"
    where: ClassVar[str] = "Y. Netzer et al., Stanford University and Google, from Street View"
    downloads: ClassVar[tuple[Download, ...]] = (
        Download(
            "train_32x32.mat",
            f"{SERVER}train_32x32.mat",
            182_040_794,
            "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8",
        ),
        Download(
            "test_32x32.mat",
            f"{SERVER}test_32x32.mat",
            64_275_384,
            "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b",
        ),
    )
    shape: ClassVar[Shape] = SHAPE
    homes: ClassVar[tuple[str, ...]] = ("svhn", "SVHN", ".")
    files: ClassVar[tuple[str, ...]] = tuple(FILES)

    def read(self, found: published.Found, request: Request) -> tuple[Pictures, Pictures]:
        most = {name: rows * 3 * 32 * 32 + AROUND for name, rows in FILES.items()}
        raw = found.read(most)
        train, test = (_side(raw[name], most[name], found.place / name) for name in FILES)
        return train, test


def _side(raw: bytes, most: int, where: Path) -> Pictures:
    try:
        import scipy.io
    except ModuleNotFoundError:
        why = "svhn's files are MATLAB's, and scipy, which reads them, is not installed"
        raise DataError(issue("FG527", why, published.SOURCE, fix=INSTALL)) from None
    import io

    try:
        _check_unfolded(raw, most)
        found = scipy.io.loadmat(io.BytesIO(raw), variable_names=["X", "y"])  # numbers only: it runs nothing
    except Exception as why:  # noqa: BLE001  scipy fails in many ways on a file that was cut or made up
        raise published.damaged(where, f"it is no MATLAB 5 file that can be read: {why}") from None
    x, y = (np.asarray(found.get(name)) for name in ("X", "y"))
    fits = x.dtype == np.uint8 and x.ndim == 4 and x.shape[:3] == (32, 32, 3) and y.shape == (x.shape[3], 1)
    if not fits or y.dtype.kind not in "uif":
        why_not = f"X and y must be 32 x 32 x 3 x n bytes and n x 1 labels; they are {x.shape} and {y.shape}"
        raise published.damaged(where, why_not)
    return pictures(x.transpose(3, 2, 0, 1).tobytes(), np.where(y[:, 0] == TEN, 0, y[:, 0]), SHAPE, where)


def _check_unfolded(raw: bytes, most: int) -> None:
    """Raise ValueError, before anything is unpacked into memory, where the file's elements unfold to too much."""
    at, unfolded = HEAD, 0
    while at + 8 <= len(raw):
        kind, size = struct.unpack("<II", raw[at : at + 8])
        unfolded += size if kind != PACKED else _unfolded(memoryview(raw)[at + 8 : at + 8 + size], most)
        if unfolded > most:
            raise ValueError(f"it unfolds to more than {most} bytes")
        at += 8 + size


def _unfolded(packed: memoryview, most: int) -> int:
    """How many bytes a compressed element unfolds to; one more than ``most`` where it is more."""
    unpacker, total = zlib.decompressobj(), 0
    rest: bytes | memoryview = packed
    while rest and not unpacker.eof and total <= most:
        total += len(unpacker.decompress(rest, PIECE))
        rest = unpacker.unconsumed_tail
    return total
