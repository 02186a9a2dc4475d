"""Values that use an index, at one of its slots: ``count[p]`` at ``p = 2`` is ``count[2]``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from factorgraph.spec.expressions import Binary, Call, Negate, Node, Read, parse_constant
from factorgraph.spec.syntax import ExpressionError


def substituted(value: Any, slots: Mapping[str, int]) -> Any:
    """Any value of YAML with the constants in it that use an index put at a slot. Other texts stay as they are."""
    if isinstance(value, Mapping):
        return {key: substituted(each, slots) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [substituted(each, slots) for each in value]
    if isinstance(value, str) and used_indices(value, slots):
        names = "|".join(map(re.escape, slots))
        inside = re.compile(rf"\[\s*({names})\s*([+-]\s*\d+)?\s*\]")
        value = inside.sub(lambda found: f"[{slots[found[1]] + int((found[2] or '0').replace(' ', ''))}]", value)
        return re.sub(rf"(?<![\w.])({names})(?!\w)", lambda found: str(slots[found[1]]), value)
    return value


def used_indices(text: str, indices: Iterable[str]) -> tuple[str, ...]:
    """The indices that a constant uses; none if the text is no constant."""
    known = tuple(indices)
    if not any(each in text for each in known):
        return ()
    try:
        root = parse_constant(text)
    except ExpressionError:
        return ()
    return tuple(dict.fromkeys(each for each in _indices(root) if each in known))


def _indices(node: Node) -> list[str]:
    if isinstance(node, Binary):
        return _indices(node.left) + _indices(node.right)
    if isinstance(node, Negate):
        return _indices(node.operand)
    if isinstance(node, Read):
        inside = [node.slot.index] if node.slot is not None and node.slot.index else []
        return inside + ([node.name[0]] if node.slot is None else [])
    return [] if not isinstance(node, Call) else [each for argument in node.arguments for each in _indices(argument)]
