"""Whole pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, field_validator

from factorgraph.data import images, paths
from factorgraph.data.bounds import check_size
from factorgraph.data.division import divide
from factorgraph.data.model import Geometry, Request, SourceLeaf, Splits, Table, one_or_three
from factorgraph.data.sources._photographs import FOLDER, LICENCE, WHERE, Album, all_told, folder_of, in_folder, once, the_bundled
from factorgraph.errors import DataError, issue
from factorgraph.lazy import np
from factorgraph.spec.constants import Count
from factorgraph.structure import Shape

if TYPE_CHECKING:
    from factorgraph.data.model import Array


class Images(SourceLeaf):
    """Whole pictures of a folder at one size, with values from 0 (black) to 1 (white), and the names of its folders as labels.

    The shorter side of a picture becomes ``size``, and the middle square is taken. Where the folder has folders of pictures, a
    picture's label is the number, from 0, of the folder that it lies in, in the order of their names; the names are written to
    data.json. Equal files count once, and no picture is on both sides of the split. Without ``folder`` there are the two
    photographs that come with scikit-learn: "china" by danielbuechele and "flower" by vultilion, CC BY 2.0.

    Fields:  image (size, size) or, in colour, (3, size, size); label ().
    Units:   parts of the brightest white; grey is Rec. ITU-R BT.601 luma.
    Errors:  FG504 where there is no picture, FG541 where some lie in folders and some beside them, FG512 to FG514 of files.
    """

    type: Literal["images"] = "images"
    size: Count = Field(12, description="pixels along a side")
    colors: Count = Field(1, description="1 for grey, 3 for red, green, blue")
    folder: str | None = Field(None, description="of pictures, or of folders of them (none: the two of scikit-learn)")

    licence: ClassVar[str] = LICENCE
    where: ClassVar[str] = WHERE

    _known_colors = field_validator("colors")(one_or_three)

    def fields(self) -> dict[str, Shape]:
        return {"image": self.geometry().shape} | ({} if self.folder is None else {"label": ()})

    def geometry(self) -> Geometry:
        return Geometry("image", self.size, self.colors, whole=True)

    def load(self, request: Request) -> Splits:
        names, files = self._files(request)
        train, test = divide(len(files), request)
        check_size(len(train) + len(test), self.geometry().shape, "pictures", ("data", "count"))
        about: dict[str, Any] = {"division": "whole pictures are held out by chance", "pictures": len(files)}
        if names:
            about["labels"] = list(names)
        album = Album(self.colors)
        with all_told(files):
            tables = self._table(album, names, files, train), self._table(album, names, files, test)
        if self.folder is None:
            return Splits(*tables, about)
        return Splits(*tables, about, album.notes(folder_of(self.folder, request), files, request))

    def _table(self, album: Album, names: Sequence[str], files: Sequence[Path], rows: Array) -> Table:
        found = np.empty((len(rows), *self.geometry().shape), dtype=np.float32)
        for place, row in enumerate(rows):
            found[place] = images.fitted(album.read(files[row]), self.size)
        labels = np.asarray([names.index(files[row].parent.name) for row in rows] if names else [], dtype=np.int64)
        return Table({"image": found} | ({"label": labels} if names else {}), rows)

    def _files(self, request: Request) -> tuple[tuple[str, ...], list[Path]]:
        """The labels' names, none where pictures have none, and the pictures."""
        if self.folder is None:
            return (), the_bundled()
        folder = folder_of(self.folder, request)
        below = {
            each.name: paths.files_in(each, images.ENDINGS, request.roots) for each in paths.folders_in(folder, request.roots)
        }
        labelled = {name: files for name, files in below.items() if files}
        if not labelled:
            return (), in_folder(folder, request)
        beside = paths.files_in(folder, images.ENDINGS, request.roots)
        if beside:
            why = f"{folder} holds folders of pictures, whose names are labels, and {len(beside)} pictures beside them"
            raise DataError(issue("FG541", why, FOLDER, fix=f"move {beside[0].name} and the others into one of the folders"))
        return tuple(sorted(labelled)), once(file for files in labelled.values() for file in files)
