"""Names of entries where the language asks for names: ``lista``, ``lista[0]``, ``lista[k]``, and what they stand for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator, ValidationInfo

REFERENCE = re.compile(r"(?P<name>[^\[\]]+?)(?:\[(?P<slot>[^\[\]]*)\])?")
_SLOT = re.compile(r"\[\s*(?P<index>\w+)\s*(?P<offset>[+-]\s*\d+)?\s*\]")
_SLOTS = re.compile(r"\[[^\[\]]*\]")


def _at_slots(written: str, info: ValidationInfo) -> str:
    """``lista[k-1]`` as ``lista[1]`` inside an entry that stands at ``k = 2``; other slots stay as they are.

    In a fragment it is that fragment's: ``first.lista``.
    """
    constants, scope = (info.context or {}).get("constants"), (info.context or {}).get("scope")
    slots = {} if constants is None else constants.slots
    written = written if scope is None else scope.reference(written)

    def at(found: re.Match[str]) -> str:
        if found["index"] not in slots:
            return found[0]
        return f"[{slots[found['index']] + int((found['offset'] or '0').replace(' ', ''))}]"

    return _SLOT.sub(at, written)


Reference = Annotated[str, AfterValidator(_at_slots)]


def standing_for(written: str, ids: Iterable[str]) -> list[str]:
    """The ids that a name stands for: ``lista`` for every slot of it, ``lista[0]`` and ``lista[last]`` for one.

    What is called after it stands with it: ``encoder.activation`` with ``encoder``, all of a fragment with the fragment. A slot
    that is not there stands for nothing.
    """
    wanted = written.replace(" ", "")
    if wanted.endswith("[last]"):
        name = wanted.removesuffix("[last]")
        every = [found[0] for each in ids if (found := re.match(re.escape(name) + r"\[\d+\]", each))]
        wanted = max(every, key=_number, default=wanted)
    return [each for each in ids if _within(wanted, each) or _within(wanted, _SLOTS.sub("", each))]


def _within(name: str, id: str) -> bool:
    return id == name or id.startswith(name + ".")


def _number(id: str) -> int:
    return int(id[id.rindex("[") + 1 : -1])
