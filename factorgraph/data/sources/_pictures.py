"""What the published sets of labelled pictures share: where they lie, how rows are chosen, and what a sample looks like."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, field_validator

from factorgraph.data import images, published
from factorgraph.data.bounds import check_size
from factorgraph.data.division import own_split
from factorgraph.data.model import Geometry, Request, SourceLeaf, Splits, Table, one_or_three
from factorgraph.data.order import order
from factorgraph.errors import DataError, issue
from factorgraph.lazy import np
from factorgraph.spec.constants import Count
from factorgraph.structure import Shape

if TYPE_CHECKING:
    from factorgraph.data.model import Array

CLASSES = 10  # of every set here
NO_LABEL = -1  # the label of a picture whose class nobody has named


@dataclass(frozen=True)
class Pictures:
    """Pictures as their file has them: images (rows, *shape) uint8, labels (rows,) int64."""

    images: Array
    labels: Array


class LabelledPictures(SourceLeaf):
    """A set of square pictures with labels, at its own size and in its own colours or in others."""

    size: Count | None = Field(None, description="pixels along a side (none: the set's own)")
    colors: Count | None = Field(None, description="1 for grey, 3 for red, green, blue (none: the set's own)")

    shape: ClassVar[Shape]  # of a picture of the set

    _known_colors = field_validator("colors")(one_or_three)

    def fields(self) -> dict[str, Shape]:
        return {"image": self.geometry().shape, "label": ()}

    def geometry(self) -> Geometry:
        own = 1 if len(self.shape) == 2 else self.shape[0]
        return Geometry("image", self.size or self.shape[-1], self.colors or own, whole=True)

    def fitted(self, values: Array) -> Array:
        """Pictures (rows, *shape), 0 to 1, as the options want them: (rows, *fields' shape), float32."""
        wanted = self.geometry()
        if wanted.colors == 1 and values.ndim == 4:
            values = np.tensordot(values, np.asarray(images.ITU_601), axes=(1, 0))
        elif wanted.colors == 3 and values.ndim == 3:
            values = np.repeat(values[:, None], 3, axis=1)
        values = values.astype(np.float32)
        if values.shape[-1] == wanted.size:
            return values
        resized = np.empty((len(values), *wanted.shape), dtype=np.float32)
        for row, value in enumerate(values):
            resized[row] = images.fitted(value, wanted.size)
        return resized


class PublishedPictures(LabelledPictures):
    """A set of labelled pictures that its authors divided into training and test pictures."""

    folds: Count = Field(1, description="learn from one of so many parts of the training pictures: that of the seed")

    homes: ClassVar[tuple[str, ...]]  # folders below a root, by custom
    files: ClassVar[tuple[str, ...]]  # that make up the set
    archive: ClassVar[str] = ""  # in which its authors pack them
    unfolded: ClassVar[int] = 0  # bytes in the archive

    @classmethod
    def found(cls, roots: Sequence[Path]) -> published.Found | None:
        """Where the set lies below the roots."""
        return published.find(cls.homes, cls.files, cls.archive, cls.unfolded, roots)

    @classmethod
    def at_hand(cls, roots: Sequence[Path]) -> str:
        try:
            found = cls.found(roots)
        except DataError as error:
            return error.issues[0].message
        if found is not None:
            return str(found.place)
        return f"not on this machine: factorgraph fetch {cls.model_fields['type'].default} ({published.megabytes(cls.downloads)})"

    @abstractmethod
    def read(self, found: published.Found, request: Request) -> tuple[Pictures, Pictures]:
        """The training and test pictures. DataError FG526."""

    def load(self, request: Request) -> Splits:
        found = self.found(request.roots)
        if found is None:
            raise DataError(published.missing(self.type, self.files, self.downloads, self.licence, request.roots))
        train, test = self.read(found, request)
        part = self.part(found, len(train.labels), request.seed)
        chosen, held_out = own_split(request, len(part), len(test.labels))
        check_size(len(chosen) + len(held_out), self.geometry().shape, "pictures", ("data", "count"))
        about = {"division": "the set's own", "form": found.place.name, "pictures": [len(train.labels), len(test.labels)]}
        return Splits(self._table(train, part[chosen], 0), self._table(test, held_out, len(train.labels)), about)

    def _table(self, of: Pictures, rows: Array, first: int) -> Table:
        """Some rows as samples, from 0 (black) to 1; the group of row 0 is ``first``."""
        values = self.fitted(of.images[rows].astype(np.float32) / np.float32(255))
        return Table({"image": values, "label": of.labels[rows]}, rows + first)

    def part(self, found: published.Found, rows: int, seed: int) -> Array:
        """The training rows to learn from, in rising order: with as many seeds as folds, each is learned from once. FG509."""
        if self.folds > rows:
            why = f"{rows} training pictures cannot be cut into {self.folds} folds"
            raise DataError(issue("FG509", why, ("data", "folds"), fix=f"at most {rows}"))
        return np.sort(order(0, "folds", 0, rows)[seed % self.folds :: self.folds]) if self.folds > 1 else np.arange(rows)


def pictures(raw: bytes, labels: Array, shape: Shape, where: Path) -> Pictures:
    """Bytes of pictures and their labels, 0 to 9, checked against each other. DataError FG526."""
    named = labels.astype(np.int64)
    wanted = len(named) * int(np.prod(shape))
    if len(raw) != wanted or not len(named):
        why = f"{len(named)} labels belong to pictures of {wanted} bytes, and there are {len(raw)}"
        raise published.damaged(where, why)
    if named.min() < 0 or named.max() >= CLASSES:
        raise published.damaged(where, f"it has labels from {named.min()} to {named.max()}; there are {CLASSES}, from 0")
    return Pictures(np.frombuffer(raw, dtype=np.uint8).reshape(len(named), *shape), named)
