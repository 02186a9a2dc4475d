"""What a spec's figures depend on beside its text: the leaves that it and its plan name, known by their source."""

from __future__ import annotations

import hashlib
import inspect
import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from factorgraph import compile as compiler
from factorgraph.graph.resolve import resolve
from factorgraph.registry import FAMILIES, leaves
from factorgraph.spec.schema import Spec

_ROOT = Path(__file__).parents[2]
_HELPER = re.compile(r"^from (factorgraph(?:\.\w+)*\._\w+) import", re.MULTILINE)


def fingerprint(specs: Iterable[Spec]) -> str:
    """What changes when a file that one of these specs was read from changes, or a leaf that one of them uses."""
    parts: dict[str, None] = {}
    for spec in specs:
        parts |= dict.fromkeys((*_texts(spec), leaf_sources(spec)))
    return _digest("\0".join(parts).encode())


def leaf_sources(spec: Spec) -> str:
    """What changes when the source of a leaf changes that the spec, its defaults or its plan name, or a helper of one.

    Solvers that the plan only says it did not take have no part in a figure.
    """
    plan = json.loads(compiler.plan(spec, resolve(spec)).to_json(), object_hook=_taken)
    words = set(re.findall(r"[a-z][a-z0-9_]*", f"{spec.full()}\n{json.dumps(plan)}"))
    files = {file for family in FAMILIES for name in words & set(leaves(family)) for file in _files(family, name)}
    return _digest("\0".join(f"{file.name} {_source(file)}" for file in sorted(files)).encode())


def _texts(spec: Spec) -> Iterator[str]:
    yield spec.document.text
    for each in spec.use.values():
        yield from _texts(each.spec)


def _taken(part: dict[str, Any]) -> dict[str, Any]:
    return {key: each for key, each in part.items() if key != "others"}


@cache
def _files(family: str, name: str) -> tuple[Path, ...]:
    """The file of a leaf, and those of the helpers that it imports, and they."""
    found, todo = [], [Path(inspect.getfile(leaves(family)[name]))]
    while todo:
        file = todo.pop()
        if file not in found:
            found.append(file)
            todo += [_ROOT.joinpath(*each.split(".")).with_suffix(".py") for each in _HELPER.findall(file.read_text("utf-8"))]
    return tuple(found)


@cache
def _source(file: Path) -> str:
    return _digest(file.read_bytes())


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:12]
