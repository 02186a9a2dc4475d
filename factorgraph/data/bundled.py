"""Files that come with scikit-learn, found without importing it: that takes seconds."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from factorgraph.errors import DataError, issue

INSTALL = 'pip install "factorgraph-ebm[data]"'


def bundled(what: str, *below: str) -> Path:
    """A file below ``sklearn/datasets``. Raises DataError FG503 where scikit-learn, or the file, is missing."""
    found = find_spec("sklearn")
    if found is None or found.origin is None:
        why = f"{what} comes with scikit-learn, which is not installed"
        raise DataError(issue("FG503", why, ("data", "source"), fix=f"{INSTALL}, or use files of your own"))
    path = Path(found.origin).parent.joinpath("datasets", *below)
    if not path.is_file():
        why = f"{what} is missing from scikit-learn's folder: {path}"
        fix = 'pip install --force-reinstall "scikit-learn", or use files of your own'
        raise DataError(issue("FG503", why, ("data", "source"), fix=fix))
    return path
