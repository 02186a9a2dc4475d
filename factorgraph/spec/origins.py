"""Where the values of a filled spec come from: a line of a file, ``--set``, a variant, a budget, a ``with``, a default."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from factorgraph.errors import Path, Place
from factorgraph.registry import leaves
from factorgraph.spec.choices import main_field
from factorgraph.spec.document import Document
from factorgraph.spec.parse import MAIN

DEFAULT = "default"
_MAINS = frozenset(MAIN.values())
_STEPS = {"prepare": "steps", "augment": "augmentations"}  # lists in which ``{whiten: 0.02}`` is a step with its main option


def origin(document: Document, path: Path, home: str = "") -> str:
    """Where the value at an address of the filled spec came from, in words. Files are named as seen from the folder ``home``."""
    if (at := written(document, path)) is None:
        return document.told.get(path, DEFAULT)
    where, there = document.source(at)
    place = where.place(there)
    told = "" if place.origin else where.told.get(there, "")
    words = told or words_of(place, home)
    return words if where is document else f"{words} (with)"


def words_of(place: Place, home: str = "") -> str:
    """Where a value stands, in words: ``psd.yaml:44 (variant wide)``, ``--set``."""
    if place.origin == place.file:
        return place.origin
    if place.address:
        return "Python"
    seen = os.path.relpath(place.file, home or ".")
    file = place.file if seen.startswith("..") else seen
    return f"{file}:{place.line}" + (f" ({place.origin})" if place.origin else "")


def written(document: Document, path: Path) -> Path | None:
    """The address, as it is written, of a value of the filled spec; nothing where nobody wrote it, so that it is a default."""
    value: Any = document.values
    for depth, part in enumerate(path):
        is_item = isinstance(value, list) and isinstance(part, int) and part < len(value)
        if not is_item and not (isinstance(value, Mapping) and part in value):
            return _short(value, path, depth)
        value = value[part]
    return path


def _short(value: Any, path: Path, depth: int) -> Path | None:
    """The address of a short form that gives the value: a lone word is its entry's main key, one value a list of one."""
    above, rest = path[:depth], path[depth:]
    if not isinstance(value, Mapping | list):
        return above if all(part == 0 or part in _MAINS for part in rest) else None
    family = next((_STEPS[str(part)] for part in above if part in _STEPS), None)
    if family is None or not isinstance(value, Mapping) or len(value) != 1:
        return None
    ((name, given),) = value.items()
    if rest[0] == "type":
        return (*above, name)
    is_main = name in leaves(family) and rest[0] == main_field(leaves(family)[name])
    inside = isinstance(given, Mapping) and rest[0] in given
    return (*above, name, rest[0]) if inside else (*above, name) if is_main and not isinstance(given, Mapping) else None
