"""The lines of a spec as comments of what is made of them."""

from __future__ import annotations

import re
from pathlib import Path as File

from factorgraph.errors import Path
from factorgraph.spec.fragments import documents
from factorgraph.spec.schema import Spec

MOST = 12  # lines of an entry


def comment(spec: Spec, path: Path) -> list[str]:
    """``# psd.yaml:14  decoder: {type: linear, ...}``, a line for each that an entry has."""
    key, value = spec.document.place(path, "key"), spec.document.place(path)
    if key.origin or not key.file:
        return [f"# {key.origin or 'Python'}: {'.'.join(map(str, path))}"]
    text = next((each.text for each in documents(spec.document) if each.file == key.file), "").splitlines()
    lines = _entry(text, key.line - 1, max(value.end_line, key.line))[:MOST] or [key.text]
    width = min((len(each) - len(each.lstrip()) for each in lines if each.strip()), default=0)
    head = f"# {said(File(key.file).name)}:{key.line}  "
    return [f"{head if at == 0 else '#'.ljust(len(head))}{each[width:]}".rstrip() for at, each in enumerate(lines)]


def said(text: str) -> str:
    """A user's words as they may stand in a comment or a docstring: on one line, and with nothing that ends it."""
    return re.sub("['\"]+", "'", " ".join(text.split()).replace("\\", "/"))


def _entry(text: list[str], first: int, end: int) -> list[str]:
    """The lines of an entry: those of its value, and what is indented below its key."""
    depth = len(text[first]) - len(text[first].lstrip()) if first < len(text) else 0
    while end < len(text) and text[end].strip() and len(text[end]) - len(text[end].lstrip()) > depth:
        end += 1
    return text[first:end]
