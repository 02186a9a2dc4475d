"""Pydantic's errors as issues: in plain words, at the right key, one for each mistake and none for what follows from it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from factorgraph.errors import Issue, Path
from factorgraph.registry import not_loaded
from factorgraph.spec.choices import Mistake, waiting_keys
from factorgraph.spec.expressions import kind_of
from factorgraph.spec.language import SINGULAR, TYPES, WORDS
from factorgraph.spec.suggest import SQUARED_NORMS, near

_WANTED = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "a text",
    "dict": "a map of keys",
    "mapping": "a map of keys",
    "model": "a map of keys",
    "list": "a list",
    "tuple": "a list",
    "frozen": "a list",
}
_TRUTH = {"yes": "true", "on": "true", "1": "true", "no": "false", "off": "false", "0": "false"}
_BOUNDS = {
    "greater_than": ("gt", "greater than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}


@dataclass(frozen=True)
class Entry:
    """The entry of a spec that mistakes are in: its address, what is written there, and the word for its type key."""

    path: Path
    written: Any
    label: str  # 'factor "sparsity"'
    main: str = "type"
    family: str = ""


def issues_of(found: Sequence[Mistake], entry: Entry) -> list[Issue]:
    """The issues of one entry, most likely cause first."""
    kept = _without_followups(list(found), entry)
    made = [_issue(each, entry) for each in kept]
    unique: dict[tuple[Any, ...], Issue] = {}
    for each in made:
        unique.setdefault((each.code, each.path, each.on), each)
    return list(unique.values())


def _without_followups(found: list[Mistake], entry: Entry) -> list[Mistake]:
    """One mistake for each cause: of a union's branches the one that got farthest; no missing key whose misspelling is there."""
    places = {id(each): _path(each, entry) for each in found}
    unknown = [each for each in found if each.kind == "extra_forbidden"]

    def misspelt(each: Mistake) -> bool:
        parent, key = each.loc[:-1], each.loc[-1]
        return any(other.loc[:-1] == parent and near(other.loc[-1], (str(key),)) for other in unknown)

    def overtaken(each: Mistake) -> bool:
        mine = places[id(each)]
        rank = _rank(each)
        for other in found:
            if other is each or other.kind in ("missing", "extra_forbidden") or not _shares_field(each, other):
                continue
            theirs = places[id(other)]
            if len(theirs) > len(mine) and theirs[: len(mine)] == mine:
                return True
            if theirs == mine and (rank, found.index(each)) > (_rank(other), found.index(other)):
                return True
        return False

    def numbered(each: Mistake) -> Mistake:
        """A word that is none of some, where a number may stand as well."""
        numbers = any(other.kind == "FG311" and places[id(other)] == places[id(each)] for other in found)
        return replace(each, context={**each.context, "number": True}) if numbers and each.kind == "literal_error" else each

    kept = [each for each in found if not (each.kind == "missing" and each.loc and misspelt(each))]
    last = [each for each in kept if each.kind in ("missing", "extra_forbidden", "value_error") or not overtaken(each)]
    return list(map(numbered, last))


def _shares_field(one: Mistake, other: Mistake) -> bool:
    return bool(one.loc) and bool(other.loc) and one.loc[0] == other.loc[0]


def _rank(each: Mistake) -> int:
    """Which of the complaints about one value says most: our own sentence, then bounds, then words, then kinds.

    Where a word or a number may stand, a word that is near to no dim is a mistyped word, and no unknown dim.
    """
    if each.kind.startswith("FG") and each.kind != "FG317":
        return 0 if each.kind != "FG311" or each.context.get("replacement") else 2
    if each.kind == "literal_error" and str(each.input).isidentifier():
        return 1
    if each.kind in _BOUNDS:
        return 3
    return 4 if each.kind in ("literal_error", "unknown_type", "waits", "value_error") else 5


def _path(mistake: Mistake, entry: Entry) -> Path:
    """The address of a mistake: its ``loc`` without what pydantic put between (tags of unions) and what is not written."""
    value, path = entry.written, entry.path
    for depth, part in enumerate(mistake.loc):
        key = entry.main if part == "type" and depth == 0 else part
        at_item = isinstance(value, list | tuple) and isinstance(key, int) and 0 <= key < len(value)
        if at_item or (isinstance(value, Mapping) and key in value):
            value, path = value[key], (*path, key)
    return path


def _where(mistake: Mistake, entry: Entry) -> str:
    """Whose key it is, in words: ``solver fista of procedure "optimal"``."""
    family, kind = mistake.about
    inner = f"{SINGULAR.get(family, family)} {kind}".strip()
    return f"{inner} of {entry.label}" if family and family != entry.family else entry.label


def _issue(mistake: Mistake, entry: Entry) -> Issue:
    kind = mistake.kind
    if kind.startswith("FG"):
        return _own(mistake, entry)
    if kind == "extra_forbidden":
        return _unknown_key(mistake, entry)
    if kind == "missing":
        return _missing(mistake, entry)
    if kind in ("unknown_type", "waits", "not_a_type"):
        return _type(mistake, entry)
    if kind == "value_error":
        message = mistake.message.removeprefix("Value error, ")
        return Issue("FG210", f"{_where(mistake, entry)}: {message}", _path(mistake, entry), on="value" if mistake.loc else "key")
    return _value(mistake, entry)


def _own(mistake: Mistake, entry: Entry) -> Issue:
    more = mistake.context
    path = more.get("path") or _path(mistake, entry)
    return Issue(
        mistake.kind,
        more.get("message") or mistake.message,
        path,
        span=more.get("span"),
        allowed=more.get("allowed") or "",
        fix=more.get("fix") or "",
        replacement=more.get("replacement"),
    )


def _unknown_key(mistake: Mistake, entry: Entry) -> Issue:
    key = str(mistake.loc[-1])
    path = _path(mistake, entry)
    family, kind = mistake.about
    if key in waiting_keys(family, kind):
        message = f"{key} is in the language, but this version's {kind or SINGULAR.get(family, family)} has no such key yet"
        return Issue("FG205", message, path, on="key", notes=(f"waits for: {family} {kind}.{key}",))
    if family == "optimizers" and key in ("lr", "learning_rate"):
        message = f"{_where(mistake, entry)} has no {key}: the step is the phase's own learning_rate"
        fix = "write learning_rate beside optimizer"
        return Issue("FG201", message, path, on="key", allowed=", ".join(mistake.keys), fix=fix)
    if (family, kind, key) == ("functions", "convolution", "groups"):
        message = f"{_where(mistake, entry)} has no groups: links between maps are made by connections"
        fix = "write connections, to how many maps of the smaller side each of the larger is linked: nothing has to divide"
        return Issue("FG201", message, path, on="key", allowed=", ".join(mistake.keys), fix=fix)
    keys = tuple(entry.main if each == "type" and len(mistake.loc) == 1 else each for each in mistake.keys)
    return unknown_key(key, keys, _where(mistake, entry), path)


def unknown_key(key: str, keys: Sequence[str], where: str, path: Path) -> Issue:
    """A key that is not in the schema there."""
    meant = near(key, keys)
    hint = f'. Did you mean "{meant}"?' if meant else ""
    fix = f"write {meant}" if meant else "take it out, or move it to where it belongs"
    return Issue(
        "FG201", f'unknown key "{key}" in {where}{hint}', path, on="key", allowed=", ".join(keys), fix=fix, replacement=meant
    )


def _missing(mistake: Mistake, entry: Entry) -> Issue:
    key = mistake.loc[-1]
    parent = Mistake(mistake.loc[:-1], "", "", {}, None)
    path = _path(parent, entry)
    if isinstance(key, int):
        return Issue("FG203", f'"{mistake.loc[-2]}" in {entry.label} has too few values', path, fix=f"give {key + 1} of them")
    if key == "type":
        return _missing_type(mistake, entry, path)
    return Issue("FG202", f"{_where(mistake, entry)} needs {key}", path, on="key", fix=f"add {key}")


def _missing_type(mistake: Mistake, entry: Entry, path: Path) -> Issue:
    name = entry.main if len(mistake.loc) == 1 else "type"
    written = mistake.input if isinstance(mistake.input, Mapping) else {}
    known = mistake.context.get("known", ())
    meant = next((key for key in written if near(key, (name, "type")) and key != name), None)
    if meant is not None:
        return unknown_key(str(meant), (name,), _where(mistake, entry), (*path, meant))
    return Issue("FG202", f"{_where(mistake, entry)} needs {name}", path, on="key", allowed=", ".join(known), fix=f"add {name}")


def _type(mistake: Mistake, entry: Entry) -> Issue:
    family, name, known = (mistake.context[key] for key in ("family", "name", "known"))
    word, path = SINGULAR[family], _path(mistake, entry)
    on: Any = "key" if path and path[-1] == name and path != entry.path else "value"
    if mistake.kind == "not_a_type":
        return Issue("FG203", f"the type of a {word} is a word, not {kind_of(name)}", path, allowed=", ".join(known))
    if mistake.kind == "waits":
        message = f"{name} is in the language, but this version has no {word} of that type yet"
        return Issue("FG205", message, path, on=on, allowed=", ".join(known), notes=(f"waits for: {family} {name}",))
    meant = near(name, known) or near(name, TYPES.get(family, ()))
    hint = f'. Did you mean "{meant}"?' if meant else ""
    message = f'there is no {word} of type "{name}"{hint}'
    fix, replacement = f"write {meant}" if meant else "", meant
    if name in SQUARED_NORMS and meant == "squared_distance":  # it has no `of`, so that the word alone would not mend it
        given = entry.written.get("of") if isinstance(entry.written, Mapping) else None
        of = given if isinstance(given, str) else "..."
        fix, replacement = f"write type: squared_distance, between: [{of}, 0]: the square of how far it is from zero", None
    allowed = ", ".join(known)
    return Issue("FG204", message, path, on=on, allowed=allowed, fix=fix, replacement=replacement, notes=not_loaded(family))


def _value(mistake: Mistake, entry: Entry) -> Issue:
    path = _path(mistake, entry)
    named = [each for each in mistake.loc if isinstance(each, str) and each in path]
    field = f'"{named[-1]}" in {_where(mistake, entry)}' if named else _where(mistake, entry)
    if mistake.kind in _BOUNDS:
        name, words = _BOUNDS[mistake.kind]
        bound = mistake.context[name]
        message = f"{field} is {words} {bound:g}, not {_shown(mistake.input)}"
        return Issue("FG206", message, path, fix=f"give a number {words} {bound:g}")
    if mistake.kind == "literal_error":
        return _word(mistake, entry, field, path)
    if mistake.kind in ("too_long", "too_short"):
        wanted = mistake.context.get("max_length", mistake.context.get("min_length"))
        values = f"{wanted} value{'s' * (wanted != 1)}"
        return Issue("FG203", f"{field} takes {values}, not {mistake.context.get('actual_length')}", path)
    wanted = next((words for start, words in _WANTED.items() if mistake.kind.startswith(start)), "")
    if wanted:
        truth = _TRUTH.get(str(mistake.input).lower()) if wanted == _WANTED["bool"] else None
        fix = f"write {truth}" if truth else f"give {wanted}"
        return Issue("FG203", f"{field} takes {wanted}, not {_shown(mistake.input)}", path, fix=fix, replacement=truth)
    return Issue("FG203", f"{field}: {mistake.message[:1].lower() + mistake.message[1:]}", path)


def _word(mistake: Mistake, entry: Entry, field: str, path: Path) -> Issue:
    words = tuple(re.findall(r"'([^']*)'", str(mistake.context.get("expected", ""))))
    family, kind = mistake.about
    waits = WORDS.get((family, kind, str(mistake.loc[0]) if mistake.loc else ""), ())
    if mistake.input in waits:
        message = f"{mistake.input} is in the language, but this version's {kind} cannot do it yet"
        return Issue("FG205", message, path, notes=(f"waits for: {family} {kind}.{mistake.input}",))
    meant = near(mistake.input, words)
    hint = f'. Did you mean "{meant}"?' if meant else ""
    words = (*words, "a number") if mistake.context.get("number") else words
    message = f"{field} is one of {', '.join(words)}; not {_shown(mistake.input)}{hint}"
    return Issue(
        "FG206", message, path, allowed=", ".join(words), fix=f"write {meant or ' or '.join(words)}", replacement=meant
    )


def _shown(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else kind_of(value)
