"""Changes at addresses: ``--set``, a phase's ``set``, variants and budgets, all by one way."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from factorgraph.errors import Issue, Path, Place, SpecError, address
from factorgraph.spec import addresses
from factorgraph.spec.declared import Scales
from factorgraph.spec.document import Document, read_scalar
from factorgraph.spec.language import SINGULAR
from factorgraph.spec.parse import read_spec
from factorgraph.spec.schema import Spec
from factorgraph.spec.slots import substituted, used_indices
from factorgraph.spec.suggest import near

MOST_SLOTS_GUESSED = 100  # where a spec does not load, a family is tried at so many slots at most
SMOKE_STEPS = 10  # a phase, in the size that only shows that everything runs
SMOKE_ROWS = {"count": 500, "test": 50, "labelled": 100}  # of data, at most
SMOKE_BATCH = 20  # rows, at most
SMOKE_SEARCH = 20  # steps, at most
At = Callable[[str], Path | None]


def changed(spec: Spec, changes: Mapping[str, Any], origin: str) -> Spec:
    """The spec with other values at addresses. Raises SpecError, placed at the change that is to blame.

    One whose variants, budgets or phases then lead nowhere could not be read back, and is refused as well.
    """
    return _fitting(for_a_time(spec, changes, origin), origin)


def for_a_time(spec: Spec, changes: Mapping[str, Any], origin: str) -> Spec:
    """The spec with other values at addresses, as a phase has it while it lasts: nobody reads it back. Raises SpecError."""
    return _read(edited(spec.document, changes, origin, lambda key: None))


def _fitting(spec: Spec, origin: str) -> Spec:
    """The spec, if all addresses in its own changes are still there; what they would come to is not tried."""
    issues: list[Issue] = []
    for base, changes in {base: changes for base, changes, _, _ in _all_changes(spec.document, spec)}.items():
        for key in changes:
            try:
                addresses.resolve(spec.document, key)
            except addresses.AddressError as error:
                it = _no_address(spec.document, key, error, (*base, key), Place(origin, 1, 1, 1, 1, key, origin))
                issues.append(replace(it, notes=(*it.notes, f"this shows with {origin}")))
    if issues:
        raise SpecError(issues)
    return spec


def edited(
    document: Document,
    changes: Mapping[str, Any],
    origin: str,
    at: At,
    texts: Mapping[str, str] | None = None,
    there: Document | None = None,
) -> Document:
    """The document with other values at addresses. ``at``: where a change stands in this very document, or in ``there``."""
    issues: list[Issue] = []
    for key, value in changes.items():
        text = (texts or {}).get(key) or f"{key}={_flow(value)}"
        try:
            document, path = addresses.resolve(document, key)
        except addresses.AddressError as error:
            shown = Place(origin, 1, 1, 1, 1, text, origin)
            issues.append(_no_address(document, key, error, None if there else at(key), shown))
            continue
        document = _without_other_length(document, path).edit(path, value, origin, text, at=at(key), there=there)
    if issues:
        raise SpecError(issues)
    return document


def _without_other_length(document: Document, path: Path) -> Document:
    """A phase lasts for steps or for epochs: a change that gives one takes the place of the other."""
    other = {"steps": "epochs", "epochs": "steps"}.get(str(path[-1]))
    if other is None or path[0] != "learning" or len(path) != 3 or not document.has((*path[:2], other)):
        return document
    return document.without((*path[:2], other))


def _no_address(document: Document, key: str, error: addresses.AddressError, at: Path | None, shown: Place) -> Issue:
    """What is wrong with an address: at its key in the document, or else in the text that ``shown`` holds."""
    before, after = key[: error.span[0]], key[error.span[1] :]
    whole = f"{before}{error.replacement}{after}" if error.replacement else None
    fix = f"write {whole}" if whole else "name something that is there, or a key that its entry allows"
    it = Issue("FG211", error.message, at or (), on="key", allowed=", ".join(error.allowed), fix=fix, replacement=whole)
    if at is not None and document.has(at):
        return document.locate(it)
    start = max(shown.text.find(key), 0)
    return replace(it, place=replace(shown, column=start + 1, end_column=start + 1 + len(key)))


def _read(document: Document) -> Spec:
    spec, issues = read_spec(document)
    if spec is None:
        raise SpecError(document.located(issues))
    return spec


def set_option(document: Document, options: tuple[str, ...]) -> Document:
    """The document with ``address=value`` texts, as ``--set`` takes them. Raises SpecError."""
    issues: list[Issue] = []
    for text in options:
        key, equals, written = text.partition("=")
        if not equals:
            place = Place("--set", 1, 1, 1, len(text) + 1, text, "--set")
            message = "an address, then =, then a value is wanted"
            issues.append(Issue("FG211", message, fix="write --set dims.code=512", place=place))
            continue
        try:
            document = edited(document, {key.strip(): read_scalar(written)}, "--set", lambda key: None, {key.strip(): text})
        except SpecError as error:
            issues += error.issues
    if issues:
        raise SpecError(issues)
    return document


# --- variants, budgets, length


def in_states(spec: Spec, names: Iterable[str], options: tuple[str, ...] = ()) -> Spec:
    """The spec as variants and at budgets of it, in their order; ``options``, as ``--set`` takes them, have the last word."""
    for name in names:
        spec = _in_state(spec, name)
    return _fitting(_read(set_option(spec.document, options)), "--set") if options else spec


def _in_state(spec: Spec, name: str) -> Spec:
    """The spec as one of its variants, ``filters[2]`` of a family, or at one of its sizes, where no variant has that name."""
    plain = name.partition("[")[0]
    if plain in spec.variants:
        return as_variant(spec, name)
    if name in (sizes := _sizes(spec)):
        return at_budget(spec, name)
    known = (*spec.variants, *sizes)
    meant = near(plain, known)
    message = f'there is no variant or budget "{name}"' + (f'. Did you mean "{meant}"?' if meant else "")
    it = Issue("FG209", message, ("variants",), on="key", allowed=", ".join(known), replacement=meant)
    raise SpecError(spec.document.locate(it))


def _sizes(spec: Spec) -> tuple[str, ...]:
    return tuple(dict.fromkeys(("smoke", "laptop", *spec.budgets)))


def as_variant(spec: Spec, name: str) -> Spec:
    """The spec as a variant; a member of a family by its slot, ``filters[2]`` or ``filters[last]``."""
    found = re.fullmatch(r"([^\[\]]+)(?:\[(\d+|last)\])?", name)
    plain = found[1] if found else name
    if plain not in spec.variants:
        known = tuple(spec.variants)
        meant = near(plain, known)
        message = f'there is no variant "{name}"' + (f'. Did you mean "{meant}"?' if meant else "")
        raise SpecError(Issue("FG209", message, ("variants",), allowed=", ".join(known), replacement=meant))
    changes, index = spec.variants[plain], family_index(spec.document, spec.scales, spec.variants[plain])
    if index is None:
        return _member(spec.document, "variants", plain, changes)
    if not found or found[2] is None:
        message = f'the variant "{plain}" is a family over {index}: which of {spec.indices[index]}?'
        raise SpecError(spec.document.located([Issue("FG209", message, ("variants", plain), on="key", fix=f"write {plain}[0]")]))
    slot = spec.indices[index] - 1 if found[2] == "last" else int(found[2])
    if slot >= spec.indices[index]:
        message = f"{name} is not there: {index} has {spec.indices[index]} slots, counted from 0"
        raise SpecError(spec.document.located([Issue("FG209", message, ("variants", plain), on="key")]))
    return _member(spec.document, "variants", plain, changes, {index: slot})


def _member(
    document: Document, block: str, name: str, changes: Mapping[str, Any], slots: Mapping[str, int] | None = None
) -> Spec:
    values = {key: substituted(each, slots) if slots else each for key, each in changes.items()}
    origin = f"{SINGULAR[block]} {name}"
    return _fitting(_read(edited(document, values, origin, lambda key: (block, name, key))), origin)


def family_index(document: Document, scales: Scales, changes: Mapping[str, Any]) -> str | None:
    """The index over which a variant is a family: one that its constants use and whose slot nothing at the address gives."""
    for key, value in changes.items():
        parts = key.split(".")
        if parts[0] in ("factors", "variables"):
            continue  # an index there is a free index of the entry
        entry = document.get(tuple(parts[:2])) if document.has(tuple(parts[:2])) else None
        own = entry.get("per") if isinstance(entry, Mapping) else None
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, str):
                for index in used_indices(each, scales.indices):
                    if index != own:
                        return index
    return None


def at_budget(spec: Spec, name: str) -> Spec:
    """The spec at one of its sizes."""
    if name in spec.budgets:
        return _member(spec.document, "budgets", name, spec.budgets[name])
    if name == "laptop":
        return spec
    if name == "smoke":
        return _small(lasting(spec, SMOKE_STEPS, None, "budget smoke"), "budget smoke")
    known = _sizes(spec)
    meant = near(name, known)
    raise SpecError(Issue("FG209", f'there is no budget "{name}"', ("budgets",), allowed=", ".join(known), replacement=meant))


def lasting(spec: Spec, steps: int | None, epochs: int | None, origin: str) -> Spec:
    """The spec with every phase for so many steps (fewer, if it has fewer), or so many epochs."""
    assert (steps is None) != (epochs is None), "a phase lasts for steps or for epochs"
    lengths: dict[str, int] = {}
    for name, declared in spec.learning.items():
        own = [each for each in (steps, declared.first.steps) if each is not None]
        lengths |= {f"learning.{name}.epochs": epochs} if epochs is not None else {f"learning.{name}.steps": min(own)}
    return changed(spec, lengths, origin)


def _small(spec: Spec, origin: str) -> Spec:
    """The spec with small batches of little data and short searches: what says how much it has, has less."""
    document = spec.document
    for name, block in spec.data.blocks.items() if spec.data is not None else ():
        path: Path = ("data", name) if name else ("data",)
        asked = {key: getattr(block, key) for key in SMOKE_ROWS}
        if block.count is not None and block.test is None:
            asked["test"] = block.count  # a published set's own would be thousands
        for key in (key for key, rows in asked.items() if rows is not None and rows > SMOKE_ROWS[key]):
            document = document.edit((*path, key), SMOKE_ROWS[key], origin)
    for name, declared in spec.learning.items():
        rows = declared.first.batch_size
        if not isinstance(rows, str) and rows > SMOKE_BATCH and declared.first.labelled is None:
            document = document.edit(("learning", name, "batch_size"), SMOKE_BATCH, origin)
    for name, procedure in spec.inference.items():
        if hasattr(procedure.first, "tolerance") and getattr(procedure.first, "steps", 0) > SMOKE_SEARCH:
            document = edited(document, {address(("inference", name, "steps")): SMOKE_SEARCH}, origin, lambda key: None)
    return _read(document)


# --- trying every change out, when a spec is loaded


def change_issues(document: Document, spec: Spec | None, known: list[Issue]) -> list[Issue]:
    """What is wrong with the variants, budgets and phases' ``set``: each is tried once, and told at its own place."""
    before = {_same(each) for each in known}
    found: list[Issue] = []
    for base, changes, origin, slots in _all_changes(document, spec):
        values = {key: substituted(each, slots) if slots else each for key, each in changes.items()}
        try:
            tried = edited(document, values, origin, lambda key, base=base: (*base, key))  # type: ignore[misc]
        except SpecError as error:
            found += error.issues
            continue
        _, issues = read_spec(tried)
        found += [_at_home(tried, each, base, changes, origin) for each in issues if _same(each) not in before]
    unique = {(each.code, each.path, each.message): each for each in found if not each.is_warning}
    return list(unique.values())


def _all_changes(document: Document, spec: Spec | None) -> Iterator[tuple[Path, Mapping[str, Any], str, dict[str, int]]]:
    scales = spec.scales if spec else Scales({}, _plain(document.values.get("indices")))
    for block, word in (("variants", "variant"), ("budgets", "budget")):
        entries = document.values.get(block)
        for name, changes in entries.items() if isinstance(entries, Mapping) else ():
            if isinstance(changes, Mapping):
                index = family_index(document, scales, changes)
                for slots in scales.all_slots(index):
                    yield (block, name), changes, f"{word} {name}", slots
    learning = document.values.get("learning")
    for name, phase in learning.items() if isinstance(learning, Mapping) else ():
        changes = phase.get("set") if isinstance(phase, Mapping) else None
        if isinstance(changes, Mapping):
            per = phase.get("per")
            for slots in scales.all_slots(per if per in scales.indices else None):
                yield ("learning", name, "set"), changes, f"set of phase {name}", slots


def _plain(indices: Any) -> dict[str, int]:
    values = indices if isinstance(indices, Mapping) else {}
    return {key: value for key, value in values.items() if type(value) is int and 0 < value < MOST_SLOTS_GUESSED}


def _same(it: Issue) -> tuple[Any, ...]:
    return (it.code, it.path, it.on, it.span, it.message)


def _at_home(document: Document, it: Issue, base: Path, changes: Mapping[str, Any], origin: str) -> Issue:
    """An issue of a changed spec, placed at the change: with a note of where it shows, if it lies elsewhere."""
    located = document.locate(it)
    if located.place is not None and located.place.origin == origin:
        return located
    blamed = next((key for key in changes if address(it.path).startswith(key)), next(iter(changes)))
    place = document.place((*base, blamed), "value")
    notes = (*it.notes, f"with {origin}, this shows at {address(it.path)}" if it.path else f"this shows with {origin}")
    return replace(it, notes=notes, place=replace(place, origin=origin))


def _flow(value: Any) -> str:
    from factorgraph.spec.write import flow

    return flow(value)
