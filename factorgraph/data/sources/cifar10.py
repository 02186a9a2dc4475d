"""Small colour photographs of ten kinds of things: CIFAR-10."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

from factorgraph.data import arrays, paths, published
from factorgraph.data.model import Download, Request
from factorgraph.data.sources._pictures import Pictures, PublishedPictures, pictures
from factorgraph.lazy import np
from factorgraph.structure import Shape

TRAIN = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
TEST = "test_batch.bin"
SHAPE = (3, 32, 32)
ROW = 1 + 3 * 32 * 32  # a label, then red, green and blue
BATCH = 10_000 * ROW
ARRAYS = ("x_train", "y_train", "x_test", "y_test")


class Cifar10(PublishedPictures):
    """Colour photographs of ten kinds of things, 32 x 32 pixels, from 0 to 1: 50,000 to learn from and 10,000 to test.

    Read is the binary version, packed (cifar-10-binary.tar.gz) or unpacked (cifar-10-batches-bin/), from cifar10/ below a folder
    that the spec may read; the version for Python is a pickle and is never read. A file cifar10*.npz there with x_train, y_train,
    x_test, y_test (rows, 32, 32, 3) does as well, and stands before the others: so a part of the set can be passed on. How many
    pictures it had is kept with the run. The split is the set's own; ``count`` and ``test`` choose rows of each side by chance.

    Fields:  image (3, 32, 32), or as the options say; label (): airplane, automobile, bird, cat,
             deer, dog, frog, horse, ship, truck.
    Units:   parts of the brightest red, green and blue.
    Errors:  FG525 where the files are missing, FG526 where they are damaged.
    Source:  Krizhevsky, Learning multiple layers of features from tiny images, 2009.
    """

    type: Literal["cifar10"] = "cifar10"

    licence: ClassVar[str] = "not stated with the data; to be cited as Krizhevsky 2009"
    where: ClassVar[str] = "A. Krizhevsky, V. Nair and G. Hinton, University of Toronto"
    downloads: ClassVar[tuple[Download, ...]] = (
        Download(
            "cifar-10-binary.tar.gz",
            "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
            170_052_171,
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        ),
    )
    shape: ClassVar[Shape] = SHAPE
    homes: ClassVar[tuple[str, ...]] = ("cifar10", "cifar10/cifar-10-batches-bin", "cifar-10-batches-bin", ".")
    files: ClassVar[tuple[str, ...]] = (*TRAIN, TEST)
    archive: ClassVar[str] = "cifar-10-binary.tar.gz"
    unfolded: ClassVar[int] = 6 * BATCH + 1_000_000  # and the heads of its members

    @classmethod
    def found(cls, roots: Sequence[Path]) -> published.Found | None:
        homes = [root / "cifar10" for root in roots if (root / "cifar10").is_dir()]
        files = [file for home in homes for file in paths.files_in(home, frozenset({".npz"}), roots)]
        named = next((file for file in files if file.name.startswith("cifar10")), None)
        return super().found(roots) if named is None else published.Found(named, tuple(roots), 0)

    def read(self, found: published.Found, request: Request) -> tuple[Pictures, Pictures]:
        if found.place.suffix == ".npz":
            return _from_arrays(found.place)
        raw = found.read(dict.fromkeys(self.files, BATCH))
        return _records(b"".join(raw[name] for name in TRAIN), found.place), _records(raw[TEST], found.place)


def _records(raw: bytes, where: Path) -> Pictures:
    if len(raw) % ROW:
        raise published.damaged(where, f"{len(raw)} bytes are not pictures of {ROW} bytes each")
    rows = np.frombuffer(raw, dtype=np.uint8).reshape(-1, ROW)
    return pictures(rows[:, 1:].tobytes(), rows[:, 0], SHAPE, where)


def _from_arrays(path: Path) -> tuple[Pictures, Pictures]:
    found = arrays.read(path, published.SOURCE, ARRAYS)
    shapes = {name: tuple(each.shape) for name, each in found.items()}
    if set(found) != set(ARRAYS) or any(found[name].dtype != np.uint8 for name in ARRAYS):
        raise published.damaged(path, f"it must hold {', '.join(ARRAYS)} as bytes (uint8)")
    if any(shapes[f"x_{side}"] != (*shapes[f"y_{side}"], 32, 32, 3) for side in ("train", "test")):
        raise published.damaged(path, f"its arrays have the shapes {shapes}")
    train, test = ((found[f"x_{side}"].transpose(0, 3, 1, 2).tobytes(), found[f"y_{side}"]) for side in ("train", "test"))
    return pictures(*train, SHAPE, path), pictures(*test, SHAPE, path)
