"""Which files may be read: those below the allowed folders, with no link followed out of them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from factorgraph import errors
from factorgraph.errors import DataError, issue


def allowed_roots(spec_folder: Path | None, named: Iterable[Path] = ()) -> tuple[Path, ...]:
    """The folders that a spec may read: its own, FACTORGRAPH_DATA, the cache, and what the command line names; each in full."""
    own = [spec_folder] if spec_folder is not None else []
    data = [Path(os.environ["FACTORGRAPH_DATA"])] if os.environ.get("FACTORGRAPH_DATA") else []
    return tuple(_in_full(each) for each in (*own, *data, cache(), *named))


def _in_full(root: Path) -> Path:
    try:
        return root.expanduser().resolve()
    except RuntimeError:  # nobody's home
        return root.resolve()


def cache() -> Path:
    """The user's folder for what was downloaded."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("factorgraph"))


def find(name: str, roots: Sequence[Path], at: errors.Path) -> Path:
    """The file or folder that a spec calls ``name``, links resolved. Raises DataError FG501 or FG502."""
    if "\0" in name or not name:
        raise DataError(issue("FG501", f"{name!r} is not the name of a file", at))
    places = [root / name for root in roots]  # an absolute name stands for itself
    for place in places:
        if _exists(place):
            real = place.resolve()
            if not _inside(real, roots):
                raise DataError(_outside(name, real, roots, at))
            return real
    if places and not any(_inside(place.resolve(), roots) for place in places):
        raise DataError(_outside(name, places[0].resolve(), roots, at))
    looked = tuple(f"looked in {root}" for root in dict.fromkeys(map(str, roots)))
    fix = "put it there, or set FACTORGRAPH_DATA to the folder that holds it"
    raise DataError(issue("FG501", f"there is no {name}", at, notes=looked, fix=fix))


def first(names: Iterable[str], roots: Sequence[Path], at: errors.Path) -> Path | None:
    """The first of several places below the roots that is there, links resolved. DataError FG502 where it leads out."""
    wanted = tuple(names)
    for root in roots:
        for name in wanted:
            if _exists(root / name):
                return find(str(root / name), roots, at)
    return None


def files_in(folder: Path, endings: frozenset[str], roots: Sequence[Path]) -> list[Path]:
    """The files of a folder with one of the endings, by name.

    Hidden ones are left out, such as the ``._a.jpg`` of macOS, and links that lead out of the allowed folders.
    """
    found = [each for each in shown_in(folder) if each.suffix.lower() in endings and each.is_file()]
    return [each for each in found if _inside(each.resolve(), roots)]


def folders_in(folder: Path, roots: Sequence[Path]) -> list[Path]:
    """The folders in a folder by name; hidden ones and links that lead out of the allowed folders are left out."""
    return [each for each in shown_in(folder) if each.is_dir() and _inside(each.resolve(), roots)]


def shown_in(folder: Path) -> list[Path]:
    """What is in a folder, by name, without what is hidden."""
    return [each for each in sorted(folder.iterdir()) if not each.name.startswith(".")]


def natural(name: str) -> list[tuple[int, str]]:
    """What names are sorted by, so that 10 comes after 9."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def _exists(place: Path) -> bool:
    try:
        return place.exists()
    except OSError:
        return False


def _inside(real: Path, roots: Sequence[Path]) -> bool:
    return any(real.is_relative_to(root.resolve()) for root in roots)


def _outside(name: str, real: Path, roots: Sequence[Path], at: errors.Path) -> errors.Issue:
    notes = (f"{name} leads to {real}", *(f"a spec may read below {root}" for root in dict.fromkeys(map(str, roots))))
    fix = "move the data below one of these folders, or set FACTORGRAPH_DATA to the folder that holds them"
    return issue("FG502", f"{name} lies outside the folders that this spec may read", at, notes=notes, fix=fix)
