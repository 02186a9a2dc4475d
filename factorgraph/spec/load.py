"""Loading a spec: by path, or by the name of one that ships."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path as File

from factorgraph.errors import Issue, Place, SpecError
from factorgraph.spec.document import Document, bytes_of, decode, read
from factorgraph.spec.language import NAME
from factorgraph.spec.parse import read_spec
from factorgraph.spec.schema import Spec
from factorgraph.spec.suggest import near

WAITS = "FG205"
SPELLED = ("FG201", "FG204", "FG211")  # codes of what is called by a name that is not there
FRAGMENTS = "fragments/"  # the folder of specs that are parts of others
_STATE = re.compile(rf"(?P<name>.+)@(?P<state>{NAME}(?:\[(?:\d+|last)\])?)")  # a spec, and a variant or a budget of it
NOTE = "waits for: "  # begins the note of such an issue; family and type follow


@dataclass(frozen=True)
class Listed:
    """A spec that ships, for lists: ``waits_for`` names the leaves that this version does not have yet."""

    name: str  # what load() takes; empty for a draft
    path: File
    title: str
    waits_for: tuple[tuple[str, str], ...] = ()


def load(path_or_name: str | File, set: Iterable[str] = ()) -> Spec:
    """The spec in a file, or a shipped one by its name, with ``set``: ``address=value`` each. Raises SpecError.

    ``psd@wide`` is the spec as its variant *wide*, ``psd@full`` at one of its budgets. It is read with what is set: that may mend
    a value of the file, and the file's variants have to fit it; of a variant it has the last word.
    """
    from factorgraph.spec.changes import in_states, set_option

    name, states = divided(path_or_name)
    options = tuple(set)
    return in_states(of_document(set_option(open_document(name), options)), states, options)


def divided(path_or_name: str | File) -> tuple[str | File, tuple[str, ...]]:
    """A path or name, and the variants and budgets that are written behind it: ``psd@wide`` is psd, as wide."""
    name, states = str(path_or_name), list[str]()
    while not is_there(name, File.exists) and (found := _STATE.fullmatch(name)):
        name, states = found["name"], [found["state"], *states]
    return (name, tuple(states)) if states else (path_or_name, ())


def is_there(name: str | File, what: Callable[[File], bool]) -> bool:
    """Whether there is something of a name, a file or a folder."""
    with suppress(OSError, ValueError):  # a name too long for a file system, or through a link in circles, is no file
        return what(File(name))
    return False


def loads(text: str, file: str = "spec.yaml") -> Spec:
    """The spec in a text. Raises SpecError."""
    return of_document(read(text, file))


def of_document(document: Document) -> Spec:
    """The spec that a document means, its own changes (variants, budgets, phases' set) tried out. Raises SpecError."""
    from factorgraph.spec.changes import change_issues

    spec, issues = read_spec(document)
    if not any(each.code == "FG201" and len(each.path) == 1 for each in issues):  # addresses begin with the names of blocks
        issues += change_issues(document, spec, issues)
    if spec is None or any(not each.is_warning for each in issues):
        raise SpecError(ordered(document, [each for each in issues if not each.is_warning]))
    return spec


def ordered(document: Document, issues: list[Issue]) -> list[Issue]:
    """Issues with their places, in the order of the file; what only waits for a leaf comes after what is wrong.

    An unknown key or type that is an old spelling says what the language has in its place.
    """
    from factorgraph.spec.upgrade import fixes

    known = fixes(document)
    told = [replace(each, fix=known[each.path]) if each.code in SPELLED and each.path in known else each for each in issues]
    return sorted(document.located(told), key=lambda each: each.code == WAITS)


def open_document(path_or_name: str | File) -> Document:
    file = find(path_or_name)
    shown = str(path_or_name) if file == File(path_or_name) else str(file)
    return read(decode(content(file, shown), shown), str(file))


def content(file: File, shown: str) -> bytes:
    """The bytes of a file, as it is ``shown`` in messages. Raises SpecError."""
    try:
        return bytes_of(file, shown)
    except OSError as error:
        message = f"cannot read {file}: {error.strerror or error}"
        raise SpecError(Issue("FG218", message, place=Place(str(file), 1, 1, 1, 1))) from None


def find(path_or_name: str | File) -> File:
    """The file of a path or a shipped name."""
    if is_there(path_or_name, File.is_file):
        return File(path_or_name)
    names = {each.name: each.path for each in _shipped()}
    text = str(path_or_name).removesuffix(".yaml")
    if text in names:
        return names[text]
    short = [file for name, file in names.items() if name.rsplit("/", 1)[-1] == text]
    if len(short) == 1:
        return short[0]
    draft = next((file for file in _drafts() if text in (file.stem, file.relative_to(folder()).with_suffix("").as_posix())), None)
    if draft is not None:
        if waits_for(draft):
            raise SpecError(_draft(text, draft))
        return draft  # it runs; only its claims have not been measured yet
    meant = near(text, tuple(names))
    hint = f'. Did you mean "{meant}"?' if meant else ""
    here = f'"{path_or_name}" is a folder' if is_there(path_or_name, File.is_dir) else f'there is no file "{path_or_name}"'
    message = f"{here}, and no spec that ships has that name{hint}"
    allowed = ", ".join(each for each in names if not is_part(each))
    # spec.full.yaml holds what --set and a variant changed
    own = (File(path_or_name, each) for each in ("spec.full.yaml", "spec.yaml"))
    inside = next((each for each in own if is_there(each, File.is_file)), None)
    fix = f"that of a run is {inside}" if inside else "give the path of a file, or one of the names"
    raise SpecError(Issue("FG218", message, allowed=allowed, fix=fix, replacement=meant))


def named(path_or_name: str | File) -> tuple[str, ...]:
    """The specs that an argument means, each as ``load`` takes it: itself, or all in a folder, one's own or one that ships."""
    with suppress(SpecError):
        find(path_or_name)
        return (str(path_or_name),)
    for place in (File(path_or_name), folder() / path_or_name):
        if found := tuple(str(File(path_or_name, each.name)) for each in sorted(place.glob("*.yaml"))):
            return found
    return (str(path_or_name),)


def folder() -> File:
    """Where the specs lie: beside the package in a checkout, inside it in a wheel."""
    package = File(__file__).resolve().parent.parent
    inside = package / "shipped"
    return inside if inside.is_dir() else package.parent / "specs"


def _shipped() -> Iterator[Listed]:
    root = folder()
    for file in sorted(root.rglob("*.yaml")):
        name = file.relative_to(root).with_suffix("").as_posix()
        if not name.startswith("drafts/"):
            yield Listed(name, file, "")


def _drafts() -> Iterator[File]:
    return folder().glob("drafts/**/*.yaml")


def is_part(name: str) -> bool:
    """Whether a spec that ships is there to be used by others: it says nothing of learning and data."""
    return name.startswith(FRAGMENTS)


def _draft(name: str, file: File) -> Issue:
    waiting = ", ".join(f"{kind} ({family})" for family, kind in waits_for(file))
    message = f'"{name}" is a draft: this version lacks {waiting}'
    return Issue("FG265", message, fix="factorgraph list specs names those that run")


def specs() -> list[Listed]:
    """Every spec that ships and is no part of others, with its title, and every draft with what it waits for."""
    found = []
    for file in sorted(folder().rglob("*.yaml")):
        name = file.relative_to(folder()).with_suffix("").as_posix()
        if is_part(name):
            continue
        try:
            document = read(decode(file.read_bytes(), str(file)), str(file))
            title = str(document.values.get("title") or "")
            found.append(Listed("" if name.startswith("drafts/") else name, file, title, tuple(waited(document))))
        except SpecError:
            found.append(Listed("" if name.startswith("drafts/") else name, file, "(does not load)"))
    return sorted(found, key=lambda each: (bool(each.waits_for), not each.name, each.path.as_posix()))


def waits_for(path: str | File) -> list[tuple[str, str]]:
    """The leaves, as (family, type), that a spec names and this version lacks. Raises SpecError where anything else is wrong."""
    return waited(open_document(path))


def waited(document: Document) -> list[tuple[str, str]]:
    try:
        of_document(document)
    except SpecError as error:
        wrong = [each for each in error.issues if each.code != WAITS]
        if wrong:
            raise SpecError(wrong) from None
        notes = [note for each in error.issues for note in each.notes if note.startswith(NOTE)]
        waited = [note.removeprefix(NOTE).split(" ", 1) for note in notes]
        return list(dict.fromkeys((family, kind) for family, kind in waited))
    return []
