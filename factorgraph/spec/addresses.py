"""Addresses: ``factors.sparsity.weight`` as the exact place in a document, through short forms, lists and fragments.

What stands at an address, or may stand there, is told by the same classes that check a spec. A short form on the way is written
out, so that ``functions.encoder.activation`` can be set where ``encoder: linear`` is written.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import UnionType
from typing import Any

from pydantic import BaseModel

from factorgraph.errors import BY_NAME, Path
from factorgraph.registry import FAMILIES, leaves
from factorgraph.spec.blocks import (
    Claim,
    DataBlock,
    Figure,
    LossTerm,
    Phase,
    Player,
    Use,
    Variable,
    Workers,
    several_sources,
    single_loss,
)
from factorgraph.spec.choices import Pick, StepPick, keys_of, long_form, main_field
from factorgraph.spec.document import Document
from factorgraph.spec.parse import COMMON, FAMILY, FILE_KEYS, MAIN
from factorgraph.spec.suggest import near

SINGLE = ("title", "seed", "factorgraph")  # the values of a spec that are no blocks


class AddressError(ValueError):
    """An address that leads nowhere: which part of it, what is allowed there, what was probably meant."""

    def __init__(self, message: str, span: tuple[int, int], allowed: tuple[str, ...] = (), replacement: str | None = None):
        super().__init__(message)
        self.message, self.span, self.allowed, self.replacement = message, span, allowed, replacement


@dataclass(frozen=True)
class Here:
    """What is known about a place of the schema. ``keys``: what may stand below; ``None``: anything, it is not checked.

    ``long`` writes a short form out; ``below`` is the schema of a key. ``field``: the class and the key that it is of, or the
    ``family`` whose type stands here.
    """

    keys: tuple[str, ...] | None
    below: Callable[[str], Here]
    long: Callable[[Any], Any] = lambda value: value
    field: tuple[type[BaseModel], str] | None = None
    family: str = ""


def _scalar(key: str) -> Here:
    return Here((), _scalar)


def _anything(key: str) -> Here:
    return Here(None, _anything)


SCALAR, ANYTHING = _scalar(""), _anything("")


def resolve(document: Document, address: str) -> tuple[Document, Path]:
    """The exact path of an address, in the document with the short forms on the way written out. Raises :class:`AddressError`.

    What a fragment's entry is to be, ``first.factors.sparsity.weight``, is said in the ``with`` of its use.
    """
    document, path, _ = walked(document, address)
    return document, path


def walked(document: Document, address: str) -> tuple[Document, Path, Here]:
    """The same with what is known of the place. Raises :class:`AddressError`."""
    parts, done = address.split("."), 0
    path: Path = ()
    use = document.values.get("use")
    if len(parts) > 1 and isinstance(use, Mapping) and parts[0] in use and parts[0] not in FILE_KEYS:
        path, written = ("use", parts[0]), use[parts[0]]
        document = document if isinstance(written, Mapping) else document.edit(path, long_form(written, "file"), "", at=path)
        return document, (*path, "with", ".".join(parts[1:]).removeprefix("dims.")), ANYTHING
    block, *below = parts
    inside = block in BY_NAME and block != "use" and below and isinstance(use, Mapping) and below[0] in use
    if inside and below[0] not in (document.values.get(block) or ()):
        message, meant = f'an address in the fragment "{below[0]}" begins with its name', f"{below[0]}.{block}"
        raise AddressError(f'{message}. Did you mean "{meant}"?', (0, len(meant)), (), meant)
    here = Here(FILE_KEYS, lambda key: _block(document, key))
    while parts:
        value = document.get(path) if document.has(path) else None
        if path and not (isinstance(value, Mapping) and parts[0] in value):
            written = here.long(value)
            if written is not value:
                document, value = document.edit(path, written, "", at=path), written
        taken, key = _key(value, parts)
        if taken == 0:
            raise _nowhere(value, here, parts[0], address, done)
        if isinstance(value, list):
            here = here.below("")
        else:
            if here.keys is not None and key not in here.keys and not (isinstance(value, Mapping) and key in value):
                raise _nowhere(value, here, str(key), address, done)
            here = here.below(str(key))
        path = (*path, key)
        done += len(".".join(parts[:taken])) + 1
        parts = parts[taken:]
    return document, path, here


def _key(value: Any, parts: list[str]) -> tuple[int, str | int]:
    """The key that an address goes on with, and of how many parts it is: keys may have dots of their own, ``rbm.Y``."""
    if isinstance(value, list):
        return (1, int(parts[0])) if parts[0].isdigit() and int(parts[0]) < len(value) else (0, "")
    if isinstance(value, Mapping):
        for length in range(len(parts), 0, -1):
            if ".".join(parts[:length]) in value:
                return length, ".".join(parts[:length])
    return (1, parts[0]) if value is None or isinstance(value, Mapping) else (0, "")


def _nowhere(value: Any, here: Here, part: str, address: str, done: int) -> AddressError:
    span = (done, done + len(part))
    before = address[: max(done - 1, 0)]
    where = f'"{before}"' if before else "a spec"
    if isinstance(value, list):
        return AddressError(f'{where} is a list of {len(value)}: "{part}" is no number of an item, counted from 0', span)
    if value is None and before in FILE_KEYS and before not in SINGLE:
        return AddressError(f'there is no "{part}": the spec has no {before}', span)
    if here.keys == () or (value is not None and not isinstance(value, Mapping)):
        return AddressError(f"{where} is a single value and has nothing below it", span)
    known = tuple(dict.fromkeys((*(here.keys or ()), *(value or ()))))
    meant = near(part, known)
    hint = f'. Did you mean "{meant}"?' if meant else ""
    return AddressError(f'there is no "{part}" in {where}{hint}', span, known, meant)


# --- the schema, as far as addresses need it


def _block(document: Document, name: str) -> Here:
    if name == "data":
        return _data(document.values.get("data"))
    if name in SINGLE:
        return SCALAR
    value = document.values.get(name)
    if not isinstance(value, Mapping):
        return ANYTHING if name == "source" else SCALAR
    return Here(tuple(map(str, value)), lambda key: _entry(document, name, key))


def _entry(document: Document, block: str, name: str) -> Here:
    written = document.values[block].get(name)
    if block in FAMILY:
        return _leaf(FAMILY[block], written, MAIN[block], COMMON[block])
    models: dict[str, tuple[type[BaseModel], str | None]] = {
        "variables": (Variable, "is"),
        "learning": (Phase, "loss"),
        "expect": (Claim, None),
        "figures": (Figure, "type"),
        "use": (Use, "file"),
    }
    if block in models:
        cls, main = models[block]
        return _model(cls, written, main)
    return ANYTHING


def _long(main: str | None) -> Callable[[Any], Any]:
    return lambda value: value if main is None or value is None or isinstance(value, Mapping) else long_form(value, main)


def _model(cls: type[BaseModel], written: Any, main: str | None, extra: tuple[str, ...] = ()) -> Here:
    values = _long(main)(written)

    def below(key: str) -> Here:
        return _field(cls, key, values.get(key) if isinstance(values, Mapping) else None)

    keys = tuple(key for key in (*keys_of(cls), *extra))
    return Here(keys, below, _long(main))


def _leaf(family: str, written: Any, main: str = "type", extra: tuple[str, ...] = (), default: Any = None) -> Here:
    """A leaf: its keys depend on its type. One whose type is not there takes any key: the type's own error is told elsewhere."""
    values = _long(main)(default if written is None else written)
    kind = values.get(main) if isinstance(values, Mapping) else None
    known = leaves(family) if family in FAMILIES else {}

    def long(value: Any) -> Any:
        return _long(main)(default if value is None else value)

    if kind is None:
        return Here((main, *extra), _scalar, long)
    if not isinstance(kind, str) or kind not in known:
        return Here(None, _anything, long)
    cls = known[kind]
    keys = (main, *(key for key in keys_of(cls) if key != "type"), *extra)
    chosen = Here((), _scalar, family=family)
    return Here(keys, lambda key: chosen if key == main else _field(cls, key, values.get(key)), long)


def _field(cls: type[BaseModel], key: str, written: Any) -> Here:
    """What lies below one field, and which it is."""
    return replace(_below(cls, key, written), field=(cls, key) if key in keys_of(cls) else None)


def _below(cls: type[BaseModel], key: str, written: Any) -> Here:
    """What lies below one field, from its annotation."""
    if cls in (Phase, Player) and key == "loss":
        return _losses(written)
    if cls is Phase and key == "players":
        names = tuple(map(str, written)) if isinstance(written, Mapping) else ()
        return Here(names, lambda name: _model(Player, written.get(name) if isinstance(written, Mapping) else None, None))
    if cls is Phase and key == "workers":
        return _model(Workers, written, "type")
    info = next((info for name, info in cls.model_fields.items() if (info.alias or name) == key), None)
    if info is None:
        return SCALAR
    pick = next((each for each in _metadata(info.annotation, info.metadata) if isinstance(each, Pick)), None)
    if pick is not None:
        default = info.default if isinstance(info.default, str) else None
        if isinstance(pick, StepPick):
            return Here((), lambda number: Here(None, _anything, lambda value: _long_step(pick.family, value)))
        return _leaf(pick.family, written, default=default)
    deep = isinstance(written, Mapping | list) or _holds(info.annotation, dict) or _holds(info.annotation, BaseModel)
    return ANYTHING if deep else SCALAR


def _metadata(annotation: Any, found: Any) -> list[Any]:
    """The annotations of a field, those inside ``X | None`` and ``tuple[X, ...]`` too."""
    result = list(found)
    if typing.get_origin(annotation) is typing.Annotated:
        result += annotation.__metadata__
    for each in typing.get_args(annotation):
        if typing.get_origin(annotation) is not typing.Literal and each is not Ellipsis:
            result += _metadata(each, ())
    return result


def _holds(annotation: Any, kind: type) -> bool:
    parts = typing.get_args(annotation) if typing.get_origin(annotation) in (typing.Union, UnionType) else (annotation,)
    plain = [typing.get_origin(each) or each for each in parts]
    return any(isinstance(each, type) and issubclass(each, kind) for each in plain)


def _losses(written: Any) -> Here:
    term = tuple(key for key in keys_of(LossTerm) if key != "loss")
    if single_loss(written):
        return _leaf("losses", written, extra=term, default="energy")
    return Here(tuple(map(str, written)), lambda name: _leaf("losses", written.get(name), extra=term))


def _long_step(family: str, value: Any) -> Any:
    """``{whiten: 0.02}`` as ``{type: whiten, floor: 0.02}``, so that other options can be set beside."""
    known = leaves(family) if family in FAMILIES else {}
    if isinstance(value, str):
        return {"type": value}
    if isinstance(value, Mapping) and len(value) == 1 and "type" not in value:
        ((name, given),) = value.items()
        if name in known and not isinstance(given, Mapping):
            return {"type": name, main_field(known[name]): given}
    return value


def _data(written: Any) -> Here:
    if several_sources(written):
        return Here(tuple(map(str, written)), lambda name: _data(written[name]))
    values = long_form(written, "source") if isinstance(written, str) else written
    kind = values.get("source") if isinstance(values, Mapping) else None
    known = leaves("data")
    if not isinstance(kind, str) or kind not in known:
        return Here(None, _anything, _long("source"))
    cls = known[kind]
    own = keys_of(DataBlock)
    keys = (own[0], *(key for key in keys_of(cls) if key != "type"), *own[1:])
    chosen = Here((), _scalar, family="data")

    def below(key: str) -> Here:
        return chosen if key == "source" else _field(DataBlock if key in own else cls, key, values.get(key))

    return Here(keys, below, _long("source"))
