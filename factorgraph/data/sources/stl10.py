"""Larger colour photographs with few labels and many pictures without one: STL-10."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from factorgraph.data import published
from factorgraph.data.bounds import check_size
from factorgraph.data.model import Download, Request
from factorgraph.data.sources._pictures import NO_LABEL, Pictures, PublishedPictures, pictures
from factorgraph.errors import DataError, issue
from factorgraph.lazy import np
from factorgraph.structure import Shape

if TYPE_CHECKING:
    from pathlib import Path

    from factorgraph.data.model import Array

SIDE = 96
SHAPE = (3, SIDE, SIDE)
PICTURE = 3 * SIDE * SIDE
TRAIN, TEST, UNLABELLED = 5000, 8000, 100_000
FOLDS, FOLD_BYTES = "fold_indices.txt", 100_000
ROWS = {"train_X.bin": TRAIN, "train_y.bin": TRAIN, "test_X.bin": TEST, "test_y.bin": TEST}
MORE = "unlabeled_X.bin"


class Stl10(PublishedPictures):
    """Colour photographs of ten kinds of things, 96 x 96 pixels, from 0 to 1: 5,000 with labels, 8,000 to test, 100,000 without.

    Read is the binary version, packed (stl10_binary.tar.gz) or unpacked (stl10_binary/, faster), from stl10/ below a folder that
    the spec may read. The split is the set's own. A ``count`` beyond the labelled pictures goes on with the first ones of those
    without a label, whose label is -1. With ten ``folds`` the labelled pictures are those 1,000 that the authors put into the
    fold of the seed: ten seeds are their protocol.

    Fields:  image (3, 96, 96), or as the options say; label (): airplane, bird, car, cat, deer, dog,
             horse, monkey, ship, truck; -1 for none.
    Units:   parts of the brightest red, green and blue.
    Errors:  FG525 where the files are missing, FG526 where they are damaged.
    Source:  Coates, Ng & Lee, An analysis of single-layer networks in unsupervised feature learning, AISTATS 2011.
    """

    type: Literal["stl10"] = "stl10"
    folds: Literal[1, 10] = Field(1, description="10: learn from that of the authors' ten folds which the seed picks")

    licence: ClassVar[str] = "not stated with the data; pictures from ImageNet; to be cited as Coates, Ng & Lee 2011"
    where: ClassVar[str] = "A. Coates, A. Ng and H. Lee, Stanford University"
    downloads: ClassVar[tuple[Download, ...]] = (
        Download(
            "stl10_binary.tar.gz",
            "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz",
            2_640_397_119,
            "f31fd99273a1acb8609c8db427cebb1de3f71de77758cdc0e22956e1289b9866",
        ),
    )
    unlabelled: ClassVar[bool] = True
    shape: ClassVar[Shape] = SHAPE
    homes: ClassVar[tuple[str, ...]] = ("stl10", "stl10/stl10_binary", "stl10_binary", ".")
    files: ClassVar[tuple[str, ...]] = tuple(ROWS)
    archive: ClassVar[str] = "stl10_binary.tar.gz"
    unfolded: ClassVar[int] = (TRAIN + TEST + UNLABELLED) * (PICTURE + 1) + 1_000_000  # and the heads of its members

    def read(self, found: published.Found, request: Request) -> tuple[Pictures, Pictures]:
        raw = found.read({name: rows * (PICTURE if "X" in name else 1) for name, rows in ROWS.items()})
        train, test = (_side(raw[f"{side}_X.bin"], raw[f"{side}_y.bin"], found.place) for side in ("train", "test"))
        if self.folds > 1:
            rows = _fold(found, request.seed % self.folds, len(train.labels))
            train = Pictures(train.images[rows], train.labels[rows])
        more = (request.count or 0) - len(train.labels)
        return (_with(train, _unlabelled(found, more)) if more > 0 else train), test

    def part(self, found: published.Found, rows: int, seed: int) -> Array:
        return np.arange(rows)  # the fold is the authors' own, and chosen already


def _side(raw: bytes, labels: bytes, where: Path) -> Pictures:
    """The files count labels from 1, and run down the columns of a picture."""
    side = pictures(raw, np.frombuffer(labels, dtype=np.uint8).astype(np.int64) - 1, SHAPE, where)
    return Pictures(side.images.transpose(0, 1, 3, 2), side.labels)


def _fold(found: published.Found, number: int, rows: int) -> Array:
    if not found.has(FOLDS):
        raise published.damaged(found.place, f"it has no file {FOLDS}, which says what a fold is")
    lines = found.read({FOLDS: FOLD_BYTES})[FOLDS].decode("ascii", "replace").splitlines()
    words = lines[number].split() if number < len(lines) else []
    if not words or not all(word.isdecimal() and int(word) < rows for word in words):
        raise published.damaged(found.place, f"line {number + 1} of {FOLDS} is no list of training pictures, 0 to {rows - 1}")
    return np.unique(np.asarray([int(word) for word in words], dtype=np.int64))


def _unlabelled(found: published.Found, rows: int) -> Pictures:
    """The first pictures without a label."""
    if rows > UNLABELLED or not found.has(MORE):
        why = f"{rows} pictures without a label are asked for, but there are {UNLABELLED if found.has(MORE) else 0}"
        raise DataError(issue("FG509", why, ("data", "count"), fix="a smaller count"))
    check_size(rows, SHAPE, "pictures", ("data", "count"))
    raw = found.first(MORE, rows * PICTURE)
    side = pictures(raw, np.zeros(rows), SHAPE, found.place)
    return Pictures(side.images.transpose(0, 1, 3, 2), np.full(rows, NO_LABEL, dtype=np.int64))


def _with(labelled: Pictures, others: Pictures) -> Pictures:
    images, labels = (np.concatenate(both) for both in ((labelled.images, others.images), (labelled.labels, others.labels)))
    return Pictures(images, labels)
