"""Fragments: other specs that a spec uses, found below its own folder or among those that ship, with their dims set.

What a fragment gives stands among the spec's own entries, under its name: ``first.decoder``. Whoever reads a spec needs to know
no more of fragments than that.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path as File
from typing import TYPE_CHECKING, Any

from factorgraph.errors import Issue, Path, SpecError
from factorgraph.spec.blocks import Use
from factorgraph.spec.declared import Bound
from factorgraph.spec.document import Document, bytes_of, decode, read
from factorgraph.spec.schema import Fragment, Spec
from factorgraph.spec.scopes import Scope
from factorgraph.spec.suggest import near
from factorgraph.spec.syntax import ExpressionError

if TYPE_CHECKING:
    from factorgraph.spec.declared import Declared, Scales
    from factorgraph.spec.parse import Reading

BELOW = "put it below the spec's folder"
DEEPEST = 8  # fragments within fragments
MOST = 100  # fragments of one spec, and of its fragments
REMEMBERED = 64  # texts: a spec that tries out its changes reads its fragments many times
GIVEN = ("variables", "functions", "factors", "inference")  # blocks that a fragment gives


@dataclass(frozen=True)
class Above:
    """The files that one is a fragment of, outermost first, each with the folder that what it uses must lie below."""

    files: tuple[tuple[File, File], ...] = ()
    count: list[None] = field(default_factory=list)  # one for each fragment that was read

    def then(self, file: File, root: File) -> Above:
        return replace(self, files=(*self.files, (file, root)))


def used(reading: Reading) -> dict[str, Fragment]:
    """The fragments of a file. What is wrong with them is noted."""
    found: dict[str, Fragment] = {}
    told: list[Issue] = []
    for name, declared in reading.models("use", Use).items():
        document = reading.document
        try:
            try:
                file, above = _file(reading, declared)
            except (OSError, RuntimeError) as error:  # a name too long for a file system, or links in a circle
                why = getattr(error, "strerror", None) or "links lead in a circle"
                what = f"the fragment's file cannot be looked up: {why}"
                raise SpecError(Issue("FG213", what, (*declared.path, "file"), fix="mend the name")) from None
            inner = type(reading)(_text_of(document, file, declared, reading.scales), above)
            spec = inner.run()
        except SpecError as error:
            each_here = [replace(each, path=each.path or declared.path) for each in error.issues]
            told += [each if each.place is None else document.used(name, each) for each in each_here]
            continue
        reading.inside[name] = inner.names
        for each in inner.document.located(inner.issues):
            path = (each.path[0], f"{name}.{each.path[1]}", *each.path[2:]) if len(each.path) > 1 else declared.path
            told.append(replace(document.used(name, each), path=path))
        if spec is not None:
            found[name] = Fragment(declared.path, declared.first.file, declared.first.bind, spec)
    reading.issues += _once(told)
    return found


def _once(told: list[Issue]) -> list[Issue]:
    """Mistakes with those of a file that is used several times told once, with every use."""
    found: dict[object, Issue] = {}
    for each in told:
        key = each.path if each.place is None else each.place
        before = found.setdefault((each.code, each.message, each.on, key), each)
        notes = tuple(dict.fromkeys((*before.notes, *each.notes)))
        found[(each.code, each.message, each.on, key)] = replace(before, notes=notes)
    return list(found.values())


def whole(spec: Spec) -> Spec:
    """The spec with what its fragments give among its own entries, and before them: the file's order."""
    given: dict[str, dict[str, Any]] = {block: {} for block in (*GIVEN, "dims", "indices")}
    for name, fragment in spec.use.items():
        scope = Scope.of_fragment(name, fragment.spec.document.values)
        for block in GIVEN:
            given[block] |= {scope.whole(key): each.within(scope) for key, each in getattr(fragment.spec, block).items()}
        for block in ("dims", "indices"):
            given[block] |= {scope.whole(key): each for key, each in getattr(fragment.spec, block).items()}
        for key, expression in fragment.bind.items():
            if (variable := scope.whole(key)) in given["variables"]:
                bound = Bound(expression, (*fragment.path, "bind", key))
                given["variables"][variable] = replace(given["variables"][variable], bound=bound)
    document = replace(spec.document, parts={name: each.spec.document for name, each in spec.use.items()})
    blocks: dict[str, Any] = {block: {**each, **getattr(spec, block)} for block, each in given.items()}
    return replace(spec, document=document, **blocks)


def files(spec: Spec, refuses: Callable[[str], str]) -> dict[str, str]:
    """The texts of a spec's fragments, and theirs, by the way to them from the spec's folder: what it needs to be read elsewhere.

    ``refuses``: why a file cannot have this name there. Raises :class:`SpecError` where it says so, and where two have one name:
    one of the spec's folder, and one that ships.
    """
    found: dict[str, str] = {}
    for path, way, text in _ways(spec, File(), ()):
        why = refuses(way)
        if not why and found.setdefault(way, text) != text:
            why = "is there twice, once in the spec's folder and once among those that ship, and they differ"
        if why:
            it = Issue("FG213", f'the fragment "{way}" {why}', (*path, "file"), fix="give the file another name")
            raise SpecError(spec.document.locate(it))
    return found


def _ways(spec: Spec, home: File, above: tuple[str, ...]) -> Iterator[tuple[Path, str, str]]:
    for name, each in spec.use.items():
        way = File(os.path.normpath(home / each.file))
        yield ("use", ".".join((*above, name))), way.as_posix(), each.spec.document.text
        yield from _ways(each.spec, way.parent, (*above, name))


# --- a fragment's file


def _file(reading: Reading, declared: Declared[Use]) -> tuple[File, Above]:
    """The file of a fragment, if it may be read, and what is above it. Raises SpecError.

    It is named relative to the file that uses it, and lies below the outermost spec's folder; a name that nothing has there is
    looked up among the specs that ship.
    """
    from factorgraph.spec.load import folder

    name, at = declared.first.file, (*declared.path, "file")
    here = File(reading.document.file).resolve()
    root = reading.above.files[-1][1] if reading.above.files else here.parent
    above = reading.above.then(here, root)
    if File(name).is_absolute():
        raise SpecError(Issue("FG213", "a fragment's file is named relative to the spec's folder", at, fix=BELOW))
    file = (here.parent / name).resolve()
    if not file.is_file() and (folder() / name).is_file():
        file, root = (folder() / name).resolve(), folder().resolve()
    if not file.is_relative_to(root):
        raise SpecError(Issue("FG213", f'the fragment "{name}" is outside the spec\'s folder', at, fix=BELOW))
    chain = [each for each, _ in above.files]
    if file in chain:
        shown = " uses ".join(_short(each, chain[0].parent) for each in (*chain[chain.index(file) :], file))
        raise SpecError(Issue("FG213", f'"{name}" uses itself', at, notes=(shown,), fix="take one of the uses out"))
    if len(above.files) > DEEPEST:
        raise SpecError(Issue("FG213", f"fragments lie in fragments at most {DEEPEST} deep", at))
    if not file.is_file():
        meant = _meant(name, (here.parent, folder()))
        what = f'there is no file "{name}" beside this spec' + (f'. Did you mean "{meant}"?' if meant else "")
        fix = f"write {meant}" if meant else "mend the name; it is relative to the spec's folder"
        raise SpecError(Issue("FG213", what, at, fix=fix, replacement=meant))
    if len(above.count) >= MOST:
        raise SpecError(Issue("FG213", f"a spec is made of at most {MOST} fragments, those of its fragments counted", at))
    above.count.append(None)
    return file, replace(above, files=(*above.files[:-1], (here, root)))


def _meant(name: str, homes: tuple[File, ...]) -> str | None:
    """The file that was probably meant, of those that lie there."""
    there = (each.name for home in homes for each in (home / name).parent.glob("*.yaml"))
    return near(name, [(File(name).parent / each).as_posix() for each in there])


def _short(file: File, home: File) -> str:
    return str(file.relative_to(home)) if file.is_relative_to(home) else file.name


def _text_of(document: Document, file: File, declared: Declared[Use], scales: Scales) -> Document:
    """A fragment's text with its dims as ``with`` wants them. Raises SpecError."""
    from factorgraph.spec.changes import edited

    shown = _shown(file, File(document.file).parent / declared.first.file)
    try:
        inner = _read(bytes_of(file, shown), shown)
    except OSError as error:
        what = f'the fragment "{declared.first.file}" cannot be read: {error.strerror or error}'
        raise SpecError(Issue("FG213", what, (*declared.path, "file"))) from None
    origin = f'with of fragment "{declared.path[-1]}"'
    issues: list[Issue] = []
    for key, value in declared.first.with_.items():
        address, at = _address(key, inner.values), (*declared.path, "with", key)
        try:
            given = _number(value, scales, at if address.startswith("dims.") else None)
            inner = edited(inner, {address: given}, origin, lambda _, at=at: at, there=document)  # type: ignore[misc]
        except SpecError as error:
            issues += [each if each.path[: len(at)] == at else _here(each, key, at, document) for each in error.issues]
    if issues:
        raise SpecError(issues)
    return inner


def _shown(file: File, written: File) -> str:
    """A file as its user spelled the way to it, where that leads there."""
    spelled = os.path.normpath(written)
    return spelled if File(spelled).resolve() == file else str(file)


@lru_cache(REMEMBERED)
def _read(data: bytes, file: str) -> Document:
    return read(decode(data, file), file)


def _address(key: str, values: Mapping[str, Any]) -> str:
    """A key of ``with``: the name of one of the fragment's dims, or an address in it."""
    return key if "." in key and key not in values.get("dims", {}) else f"dims.{key}"


def _number(value: Any, scales: Scales, dim: Path | None) -> Any:
    """A value as the fragment sees it: what is a constant here is its number there, and a list of dims the list.

    ``dim``: where it stands, if it is to be a dim, and so must be a constant here. Raises :class:`SpecError`.
    """
    if isinstance(value, list):
        return [_number(each, scales, None if dim is None else (*dim, place)) for place, each in enumerate(value)]
    if not isinstance(value, str):
        return value
    if isinstance(scales.dims.get(value), list):
        return _number(scales.dims[value], scales, dim)
    try:
        return scales.constants().evaluate(value)
    except ExpressionError as error:
        if dim is not None:
            raise SpecError(error.issue(dim)) from None
        return value


def _here(it: Issue, key: str, path: Path, document: Document) -> Issue:
    """An issue about an address in the fragment, at the key of ``with`` that gave it."""
    meant = it.replacement if it.replacement is None or "." in key else it.replacement.removeprefix("dims.")
    fix = f"write {meant}" if meant else it.fix
    return document.locate(replace(it, path=path, on="key", span=None, place=None, replacement=meant, fix=fix))


def documents(document: Document) -> Iterator[Document]:
    """A spec's document, and those of its fragments."""
    yield document
    for each in document.parts.values():
        yield from documents(each)
