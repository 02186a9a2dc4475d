"""Patches of photographs."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, field_validator

from factorgraph.data import images, patches, paths
from factorgraph.data.bounds import check_size
from factorgraph.data.bundled import bundled
from factorgraph.data.model import Geometry, Request, SourceLeaf, Splits, Table
from factorgraph.errors import DataError, issue
from factorgraph.spec.constants import Count
from factorgraph.structure import Shape

if TYPE_CHECKING:
    from factorgraph.data.model import Array

USUAL = 80_000  # training patches
BUNDLED = ("china.jpg", "flower.jpg")
FOLDER = ("data", "folder")


class NaturalPatches(SourceLeaf):
    """Square patches of photographs, with values from 0 (black) to 1 (white), each at a place of its own.

    Without ``folder``, of the two photographs that come with scikit-learn: "china" by danielbuechele and "flower" by vultilion,
    CC BY 2.0. With many photographs whole ones are held out for testing; with fewer than ten, blocks of each: in either case no
    pixel is on both sides. Grey values are Rec. ITU-R BT.601 luma.
    """

    type: Literal["natural_patches"] = "natural_patches"
    size: Count = Field(12, description="pixels along a side of a patch")
    colors: Count = Field(1, description="1 for grey, 3 for red, green, blue")
    folder: str | None = Field(None, description="of photographs (none: the two of scikit-learn)")

    licence: ClassVar[str] = (
        'the bundled photographs "china" by danielbuechele and "flower" by vultilion (flickr) are CC BY 2.0; a folder has its own'
    )
    where: ClassVar[str] = "scikit-learn's sample images, or a folder of the user's"

    @field_validator("colors")
    @classmethod
    def _one_or_three(cls, colors: int) -> int:
        if colors not in (1, 3):
            raise ValueError("1 for grey, or 3 for red, green and blue")
        return colors

    def fields(self) -> dict[str, Shape]:
        return {"image": self.geometry().shape}

    def geometry(self) -> Geometry:
        return Geometry("image", self.size, self.colors)

    def load(self, request: Request) -> Splits:
        count, held_out = request.sizes(USUAL)
        check_size(count + held_out, self.geometry().shape, "patches", ("data", "count"))
        files = self._files(request)
        division, train, test = self._divided(files, request, count, held_out)
        about = {"images": [file.name for file in files], "division": division.rule}
        return Splits(self._table(files, train, 0), self._table(files, test, len(division.train)), about)

    def places(self, request: Request) -> tuple[Array, Array]:
        """Where the training and test patches lie: (rows, 4) each, of block, image, top, left."""
        return self._divided(self._files(request), request, *request.sizes(USUAL))[1:]

    def _divided(
        self, files: Sequence[Path], request: Request, count: int, held_out: int
    ) -> tuple[patches.Division, Array, Array]:
        sizes = [images.size_of(file, FOLDER) for file in files]
        for file, (height, width) in zip(files, sizes, strict=True):
            if min(height, width) < self.size:
                why = f"{file} is {width} x {height} pixels, smaller than a patch of {self.size} x {self.size}"
                raise DataError(issue("FG514", why, ("data", "size"), fix="a smaller size, or take the image out of the folder"))
        division = patches.divide(sizes, self.size, request.share() if held_out else 0.0, request.seed)
        train = patches.draw_places(division.train, self.size, count, request.seed, "train")
        return division, train, patches.draw_places(division.test, self.size, held_out, request.seed, "test")

    def _table(self, files: Sequence[Path], places: Array, first: int) -> Table:
        cut = patches.cut(places, self.size, self.colors, lambda i: images.read(files[i], self.colors, FOLDER))
        return Table({"image": cut}, places[:, 0] + first)

    def _files(self, request: Request) -> list[Path]:
        """The photographs, each once, whatever their names."""
        if self.folder is None:
            return _bundled()
        folder = paths.find(self.folder, request.roots, FOLDER)
        if not folder.is_dir():
            raise DataError(issue("FG504", f"{self.folder} is a file, not a folder of images", FOLDER, fix="name its folder"))
        different = {_digest(file): file for file in reversed(paths.files_in(folder, images.ENDINGS, request.roots))}
        if not different:
            endings = ", ".join(sorted(images.ENDINGS))
            raise DataError(issue("FG504", f"{folder} holds no images", FOLDER, allowed=endings, fix="name another folder"))
        return sorted(different.values())


def _bundled() -> list[Path]:
    return [bundled(f"the photograph {name}", "images", name) for name in BUNDLED]


def _digest(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").digest()
    except OSError as why:
        raise DataError(issue("FG512", f"{file} cannot be read: {why.strerror or why}", FOLDER, fix="make it readable")) from None
