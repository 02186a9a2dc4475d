"""Patches of photographs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, field_validator

from factorgraph.data import images, patches
from factorgraph.data.bounds import check_size
from factorgraph.data.model import Geometry, Request, SourceLeaf, Splits, Table, one_or_three
from factorgraph.data.sources._photographs import (
    FOLDER,
    LICENCE,
    WHERE,
    Album,
    all_told,
    check_large,
    folder_of,
    in_folder,
    the_bundled,
)
from factorgraph.spec.constants import Count
from factorgraph.structure import Shape

if TYPE_CHECKING:
    from factorgraph.data.model import Array

USUAL = 80_000  # training patches


class NaturalPatches(SourceLeaf):
    """Square patches of photographs, with values from 0 (black) to 1 (white), each at a place of its own.

    Without ``folder``, of the two photographs that come with scikit-learn: "china" by danielbuechele and "flower" by vultilion,
    CC BY 2.0. With many photographs whole ones are held out for testing; with fewer than ten, blocks of each: in either case no
    pixel is on both sides. Grey values are Rec. ITU-R BT.601 luma.

    Fields:  image (size, size) or, in colour, (3, size, size).
    """

    type: Literal["natural_patches"] = "natural_patches"
    size: Count = Field(12, description="pixels along a side of a patch")
    colors: Count = Field(1, description="1 for grey, 3 for red, green, blue")
    folder: str | None = Field(None, description="of photographs (none: the two of scikit-learn)")

    licence: ClassVar[str] = LICENCE
    where: ClassVar[str] = WHERE

    _known_colors = field_validator("colors")(one_or_three)

    def fields(self) -> dict[str, Shape]:
        return {"image": self.geometry().shape}

    def geometry(self) -> Geometry:
        return Geometry("image", self.size, self.colors)

    def load(self, request: Request) -> Splits:
        count, held_out = request.sizes(USUAL)
        check_size(count + held_out, self.geometry().shape, "patches", ("data", "count"))
        files = self._files(request)
        album = Album(self.colors)
        with all_told(files, self.size):
            division, train, test = self._divided(files, request, count, held_out)
            tables = self._table(album, files, train, 0), self._table(album, files, test, len(division.train))
        about = {"images": [file.name for file in files], "division": division.rule}
        return Splits(*tables, about, () if self.folder is None else album.notes(files[0].parent, files, request))

    def places(self, request: Request) -> tuple[Array, Array]:
        """Where the training and test patches lie: (rows, 4) each, of block, image, top, left."""
        return self._divided(self._files(request), request, *request.sizes(USUAL))[1:]

    def _divided(
        self, files: Sequence[Path], request: Request, count: int, held_out: int
    ) -> tuple[patches.Division, Array, Array]:
        sizes = [images.size_of(file, FOLDER) for file in files]
        for file, shape in zip(files, sizes, strict=True):
            check_large(file, shape, self.size)
        asked = [each for each in (request, *request.beside) if each.sizes(USUAL)[1]]
        division = patches.divide(sizes, self.size, max((each.share() for each in asked), default=0.0), request.seed)
        train = patches.draw_places(division.train, self.size, count, request.seed, "train")
        return division, train, patches.draw_places(division.test, self.size, held_out, request.seed, "test")

    def _table(self, album: Album, files: Sequence[Path], places: Array, first: int) -> Table:
        cut = patches.cut(places, self.size, self.colors, lambda i: album.read(files[i]))
        return Table({"image": cut}, places[:, 0] + first)

    def _files(self, request: Request) -> list[Path]:
        """The photographs, each once, whatever their names."""
        return the_bundled() if self.folder is None else in_folder(folder_of(self.folder, request), request)
