"""Photographs of a folder, or the bundled ones: each once, whatever their names."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from factorgraph.data import images, paths
from factorgraph.data.bundled import bundled
from factorgraph.data.model import Request
from factorgraph.errors import DataError, Issue, issue

if TYPE_CHECKING:
    from factorgraph.data.model import Array

BUNDLED = ("china.jpg", "flower.jpg")
FOLDER = ("data", "folder")
LICENCE = (
    'the bundled photographs "china" by danielbuechele and "flower" by vultilion (flickr) are CC BY 2.0; a folder has its own'
)
WHERE = "scikit-learn's sample images, or a folder of the user's"


def the_bundled() -> list[Path]:
    return [bundled(f"the photograph {name}", "images", name) for name in BUNDLED]


def folder_of(name: str, request: Request) -> Path:
    """The folder that a spec names. DataError FG504 where it is none."""
    folder = paths.find(name, request.roots, FOLDER)
    if not folder.is_dir():
        raise DataError(issue("FG504", f"{name} is a file, not a folder of images", FOLDER, fix="name its folder"))
    return folder


def in_folder(folder: Path, request: Request) -> list[Path]:
    """Its pictures by name, equal files once. DataError FG504 where there are none."""
    found = once(paths.files_in(folder, images.ENDINGS, request.roots))
    if not found:
        endings = ", ".join(sorted(images.ENDINGS))
        raise DataError(issue("FG504", f"{folder} holds no images", FOLDER, allowed=endings, fix="name another folder"))
    return found


class Album:
    """Photographs as they are read, and what became of them."""

    def __init__(self, colors: int) -> None:
        self.colors = colors
        self._see_through: set[Path] = set()
        self._lost_colour: set[Path] = set()

    def read(self, file: Path) -> Array:
        """A photograph in the colours that are wanted. DataError FG512, FG513, FG524."""
        values = images.decoded(file, FOLDER)
        if images.see_through(file, FOLDER):
            self._see_through.add(file)
        if self.colors == 1 and images.coloured(values):
            self._lost_colour.add(file)
        return images.in_colors(values, self.colors)

    def notes(self, folder: Path, files: Sequence[Path], request: Request) -> tuple[str, ...]:
        """What was read of a folder, what was not, and what became of it."""
        see_through, lost_colour = ([each.name for each in sorted(found)] for found in (self._see_through, self._lost_colour))
        return (f"photographs: {_count(folder, files, request)}", *images.changed(see_through, lost_colour))


def _count(folder: Path, files: Sequence[Path], request: Request) -> str:
    """``6 pictures, 2 files left out: a.heic, notes.txt; 1 folder is not entered``."""
    entered = {folder, *(each.parent for each in files)}
    every = [each for one in sorted(entered) for each in paths.shown_in(one)]
    pictures = {each for one in entered for each in paths.files_in(one, images.ENDINGS, request.roots)}
    told = [_many(len(files), "picture", "pictures")]
    if equal := len(pictures) - len(files):
        told[0] += f", {_many(equal, 'is equal to another', 'are equal to others')} and left out"
    if left := [each.name for each in every if not each.is_dir() and each not in pictures]:
        told[0] += f", {_many(len(left), 'file', 'files')} left out: {images.few(left)}"
    if closed := [each for each in every if each.is_dir() and each not in entered]:
        told.append(_many(len(closed), "folder is not entered", "folders are not entered"))
    return "; ".join(told)


def _many(count: int, one: str, more: str) -> str:
    return f"{count} {one if count == 1 else more}"


@contextmanager
def all_told(files: Sequence[Path], smallest: int = 1) -> Iterator[None]:
    """Where one of the photographs is wrong, DataError of all that are: FG512 to FG514, FG524."""
    try:
        yield
    except DataError:
        wrong = [each for file in files for each in _wrong(file, smallest)]
        if wrong:
            raise DataError(wrong) from None
        raise


def _wrong(file: Path, smallest: int) -> Sequence[Issue]:
    try:
        check_large(file, images.size_of(file, FOLDER), smallest)
        images.decoded(file, FOLDER)
    except DataError as error:
        return error.issues
    return ()


def check_large(file: Path, shape: tuple[int, int], smallest: int) -> None:
    """DataError FG514 where a patch is larger than the photograph, of ``shape`` (height, width)."""
    if min(shape) < smallest:
        why = f"{file} is {shape[1]} x {shape[0]} pixels, smaller than a patch of {smallest} x {smallest}"
        raise DataError(issue("FG514", why, ("data", "size"), fix="a smaller size, or take the image out of the folder"))


def once(files: Iterable[Path]) -> list[Path]:
    """Of files that are equal to the byte the first by name."""
    return sorted({_digest(file): file for file in sorted(files, reverse=True)}.values())


def _digest(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").digest()
    except OSError as why:
        raise DataError(issue("FG512", f"{file} cannot be read: {why.strerror or why}", FOLDER, fix="make it readable")) from None
