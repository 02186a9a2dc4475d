"""What went wrong, where, and how to mend it: the one kind of message that users see.

A stage of the pipeline that finds a mistake makes an :class:`Issue`, which names an *address* in the spec (a path), never a line.
Whoever holds the :class:`~factorgraph.spec.document.Document` turns addresses into places; :func:`render` is the only code that
lays a message out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

Path = tuple[str | int, ...]
BY_NAME = ("dims", "indices", "use", "variables", "functions", "factors", "inference")  # blocks of which fragments have their own


@dataclass(frozen=True)
class Place:
    """A stretch of text: 1-based lines and columns, the end exclusive."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int
    text: str = ""  # the whole first line, for the excerpt
    origin: str = ""  # "--set", "variant tanh", "Python": where a value came from that stands in no file
    address: str = ""  # of a spec written in Python, which nobody saw as a text: it is named in place of file, line and column


@dataclass(frozen=True)
class Issue:
    """One mistake (``FGnnn``) or warning (``FGWnnn``), in the words of the user's spec.

    ``path`` is the address (``("factors", "sparsity", "of")``); ``on`` says whether its key or its value is meant; ``span`` are
    characters inside the value's own text, for expressions. ``fix`` says what to do; ``replacement`` is the exact text that, put
    in the place of what is marked, mends it.
    """

    code: str
    message: str
    path: Path = ()
    on: Literal["key", "value"] = "value"
    span: tuple[int, int] | None = None
    allowed: str = ""
    fix: str = ""
    replacement: str | None = None
    notes: tuple[str, ...] = ()
    place: Place | None = None

    @property
    def is_warning(self) -> bool:
        return self.code.startswith("FGW")


class FactorgraphError(Exception):
    """Everything that a user can cause. ``exit_code`` is what the command line ends with."""

    exit_code = 1

    def __init__(self, issues: Issue | Iterable[Issue]):
        self.issues = (issues,) if isinstance(issues, Issue) else tuple(issues)
        super().__init__(render(self.issues))


class SpecError(FactorgraphError):
    """The spec, or what the command line put into it, is wrong. Codes FG1xx to FG4xx."""

    exit_code = 2


class DataError(FactorgraphError):
    """Data are missing, unreadable, changed or do not fit the spec. Codes FG5xx."""


class RunError(FactorgraphError):
    """Something failed while training, evaluating or writing. Codes FG6xx."""


def issue(code: str, message: str, path: Path = (), **more: Any) -> Issue:
    """A shorthand for :class:`Issue` that keeps call sites on one line."""
    return Issue(code, message, path, **more)


def render(issues: Iterable[Issue]) -> str:
    """The issues as text, one block each, in the order given."""
    return "\n\n".join(_render_one(each) for each in issues)


def _render_one(it: Issue) -> str:
    kind = "warning" if it.is_warning else "error"
    lines = [f"{kind} {it.code}: {it.message}"]
    if it.place is not None:
        lines += _excerpt(it.place)
    elif it.path:
        lines.append(f"  --> {address(it.path)}")
    lines += [f"   = {note}" for note in it.notes]
    if it.allowed:
        lines.append(f"   = allowed here: {it.allowed}")
    if it.fix:
        lines.append(f"   = fix: {it.fix}")
    lines.append(f"   = more: factorgraph explain {it.code}")
    return "\n".join(lines)


def _excerpt(place: Place) -> list[str]:
    origin = f" ({place.origin})" if place.origin and place.file != place.origin else ""
    where = place.address or f"{place.file}:{place.line}:{place.column}"
    lines = [f"  --> {where}{origin}"]
    if place.text:
        number = "" if place.address else str(place.line)
        width = place.end_column - place.column if place.end_line == place.line else len(place.text) - place.column + 1
        lead = "".join("\t" if c == "\t" else " " for c in place.text[: place.column - 1])
        lines += [f"{number} | {place.text}", f"{' ' * len(number)} | {lead}{'^' * max(width, 1)}"]
    return lines


def address(path: Path) -> str:
    """``("factors", "fit", "between", 0)`` as users write it: ``factors.fit.between.0``.

    What a fragment gives is called after it: ``("factors", "first.sparsity")`` is ``first.factors.sparsity``.
    """
    if len(path) > 1 and path[0] in BY_NAME and "." in str(path[1]):
        fragment, _, name = str(path[1]).rpartition(".")
        path = (fragment, path[0], name, *path[2:])
    return ".".join(str(part) for part in path)


def as_json(it: Issue) -> dict[str, Any]:
    """The same for editors: flat, with 1-based positions."""
    where = it.place if it.place is None or not it.place.address else None
    return {
        "code": it.code,
        "severity": "warning" if it.is_warning else "error",
        "message": it.message,
        "address": address(it.path),
        "file": where.file if where else None,
        "line": where.line if where else None,
        "column": where.column if where else None,
        "end_line": where.end_line if where else None,
        "end_column": where.end_column if where else None,
        "origin": (where.origin or None) if where else None,
        "allowed": it.allowed or None,
        "fix": it.fix or None,
        "replacement": it.replacement,
        "notes": list(it.notes),
    }
