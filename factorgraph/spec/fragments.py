"""Fragments: other specs that a spec uses, found below its own folder, with their dims set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path as File
from typing import TYPE_CHECKING, Any

from factorgraph.errors import Issue, Path, SpecError
from factorgraph.spec.document import Document, decode, read
from factorgraph.spec.syntax import ExpressionError

if TYPE_CHECKING:
    from factorgraph.spec.blocks import Use
    from factorgraph.spec.declared import Scales

BELOW = "put it below the spec's folder"
DEEPEST = 8  # fragments within fragments


def root(document: Document) -> str:
    """The name by which a file knows that it is used by another."""
    return str(File(document.file).resolve())


def text_of(document: Document, use: Use, above: tuple[str, ...], path: Path, scales: Scales) -> Document:
    """A fragment's text with its dims as ``use`` wants them. Raises SpecError."""
    from factorgraph.spec.changes import edited

    file = _file(document, use, above, path)
    inner = read(decode(file.read_bytes(), str(file)), str(file))
    origin = f'with of fragment "{path[-1]}"'
    issues: list[Issue] = []
    for key, value in use.with_.items():
        try:
            inner = edited(inner, {_address(key, inner.values): _number(value, scales)}, origin, lambda key: None)
        except SpecError as error:
            issues += [_here(each, key, (*path, "with", key), document) for each in error.issues]
    if issues:
        raise SpecError(issues)
    return inner


def _file(document: Document, use: Use, above: tuple[str, ...], path: Path) -> File:
    """The fragment's file, if it may be read: relative, below the folder of the outermost spec, and not the spec itself."""
    at = (*path, "file")
    here = File(document.file).resolve()
    root = File(above[0]).parent if above else here.parent
    if File(use.file).is_absolute():
        raise SpecError(Issue("FG213", "a fragment's file is named relative to the spec's folder", at, fix=BELOW))
    file = (here.parent / use.file).resolve()
    if not file.is_relative_to(root):
        raise SpecError(Issue("FG213", f'the fragment "{use.file}" is outside the spec\'s folder', at, fix=BELOW))
    if str(file) in (*above, str(here)):
        raise SpecError(Issue("FG213", f'"{use.file}" uses itself', at, fix="take one of the uses out"))
    if len(above) >= DEEPEST:
        raise SpecError(Issue("FG213", f"fragments lie in fragments at most {DEEPEST} deep", at))
    if not file.is_file():
        fix = "mend the name; it is relative to the spec's folder"
        raise SpecError(Issue("FG213", f'there is no file "{use.file}" beside this spec', at, fix=fix))
    return file


def _address(key: str, values: Mapping[str, Any]) -> str:
    """A key of ``with``: the name of one of the fragment's dims, or an address in it."""
    return key if "." in key and key not in values.get("dims", {}) else f"dims.{key}"


def _number(value: Any, scales: Scales) -> Any:
    """A value as the fragment sees it: what is a constant here is its number there."""
    if isinstance(value, list):
        return [_number(each, scales) for each in value]
    if not isinstance(value, str):
        return value
    try:
        return scales.constants().evaluate(value)
    except ExpressionError:
        return value


def _here(it: Issue, key: str, path: Path, document: Document) -> Issue:
    """An issue about an address in the fragment, at the key of ``with`` that gave it."""
    meant = it.replacement if it.replacement is None or "." in key else it.replacement.removeprefix("dims.")
    fix = f"write {meant}" if meant else it.fix
    return document.locate(replace(it, path=path, on="key", span=None, place=None, replacement=meant, fix=fix))
