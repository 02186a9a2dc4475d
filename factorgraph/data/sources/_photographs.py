"""Photographs of a folder, or the bundled ones: each once, whatever their names."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from factorgraph.data import images, paths
from factorgraph.data.bundled import bundled
from factorgraph.data.model import Request
from factorgraph.errors import DataError, issue

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


def once(files: Iterable[Path]) -> list[Path]:
    """Of files that are equal to the byte the first by name."""
    return sorted({_digest(file): file for file in sorted(files, reverse=True)}.values())


def _digest(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").digest()
    except OSError as why:
        raise DataError(issue("FG512", f"{file} cannot be read: {why.strerror or why}", FOLDER, fix="make it readable")) from None
