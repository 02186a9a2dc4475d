"""Handwritten digits: MNIST."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import ClassVar, Literal

from factorgraph.data import published
from factorgraph.data.model import Download, Request
from factorgraph.data.sources._pictures import Pictures, PublishedPictures, pictures
from factorgraph.lazy import np
from factorgraph.structure import Shape

FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
MOST = {FILES[0]: 60_000, FILES[1]: 60_000, FILES[2]: 10_000, FILES[3]: 10_000}  # rows
SIDE = 28
IMAGES, LABELS = 0x00000803, 0x00000801  # bytes (08) in three axes, in one
SERVER = "https://ossci-datasets.s3.amazonaws.com/mnist/"


class Mnist(PublishedPictures):
    """Handwritten digits, 28 x 28 pixels, from 0 (paper) to 1 (ink): 60,000 to learn from and 10,000 to test.

    Read are the four idx files, as they are or gzipped, from mnist/ (or MNIST/raw/, where another library left them) below a
    folder that the spec may read. The split is the set's own; ``count`` and ``test`` choose rows of each side by chance.

    Fields:  image (28, 28), or as ``size`` and ``colors`` say; label (): 0 to 9.
    Units:   ink, 0 to 1.
    Errors:  FG525 where the files are missing, FG526 where they are damaged.
    Source:  LeCun, Bottou, Bengio & Haffner, Proc. IEEE 86(11), 1998.
    """

    type: Literal["mnist"] = "mnist"

    licence: ClassVar[str] = "not stated with the data; to be cited as LeCun, Bottou, Bengio & Haffner 1998"
    where: ClassVar[str] = "Y. LeCun, C. Cortes and C. J. C. Burges, from NIST's forms; the files as mirrored for PyTorch"
    downloads: ClassVar[tuple[Download, ...]] = tuple(
        Download(name, SERVER + name, size, sha256)
        for name, size, sha256 in (
            (f"{FILES[0]}.gz", 9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
            (f"{FILES[1]}.gz", 28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
            (f"{FILES[2]}.gz", 1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
            (f"{FILES[3]}.gz", 4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
        )
    )
    shape: ClassVar[Shape] = (SIDE, SIDE)
    homes: ClassVar[tuple[str, ...]] = ("mnist", "MNIST/raw", "MNIST", ".")
    files: ClassVar[tuple[str, ...]] = FILES

    def read(self, found: published.Found, request: Request) -> tuple[Pictures, Pictures]:
        raw = found.read({name: 16 + rows * (SIDE**2 if "images" in name else 1) for name, rows in MOST.items()})
        train, test = ((raw[FILES[i]], raw[FILES[i + 1]], found.place / FILES[i]) for i in (0, 2))
        return _side(*train), _side(*test)


def _side(images: bytes, labels: bytes, where: Path) -> Pictures:
    counts, pixels = _idx(images, IMAGES, where)
    named, classes = _idx(labels, LABELS, where)
    if counts[1:] != (SIDE, SIDE) or counts[0] != named[0] or len(classes) != named[0]:
        why = f"its head speaks of pictures {list(counts)} and of labels {list(named)}, of which {len(classes)} are there"
        raise published.damaged(where, why)
    return pictures(pixels, np.frombuffer(classes, dtype=np.uint8), (SIDE, SIDE), where)


def _idx(raw: bytes, magic: int, where: Path) -> tuple[tuple[int, ...], bytes]:
    """The numbers along each axis, and the rest. The last byte of the magic number counts the axes, each a big-endian integer."""
    head = 4 + 4 * (magic & 0xFF)
    if len(raw) < head or raw[:4] != magic.to_bytes(4, "big"):
        raise published.damaged(where, f"it begins with {raw[:4].hex()}, an idx file of its kind with {magic:08x}")
    return struct.unpack(f">{(head - 4) // 4}I", raw[4:head]), raw[head:]
