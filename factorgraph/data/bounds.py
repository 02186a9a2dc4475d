"""Numbers are bounded before memory is asked for."""

from __future__ import annotations

import math
import os

from factorgraph.errors import DataError, Path, issue

SHARE_OF_MEMORY = 0.25  # raw samples, prepared ones and one step's copy live side by side
WITHOUT_AN_ANSWER = 8 * 2**30  # bytes, where the system does not say how much memory it has


def most_bytes() -> int:
    """How many bytes one set of samples may take."""
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return int(WITHOUT_AN_ANSWER * SHARE_OF_MEMORY)
    return int(memory * SHARE_OF_MEMORY)


def check_size(rows: int, shape: tuple[int, ...], what: str, path: Path, bytes_each: int = 4) -> None:
    """Raise DataError FG508 unless ``rows`` samples of ``shape`` may be held in memory."""
    size = rows * math.prod(shape) * bytes_each
    if size > most_bytes():
        have = f"this machine can hold {most_bytes() / 1e9:.3g} GB at a time"
        why = f"{rows} {what} of shape {list(shape)} take {size / 1e9:.3g} GB, but {have}"
        raise DataError(issue("FG508", why, path, fix=f"at most {most_bytes() * rows // max(size, 1)} of them, or smaller ones"))
