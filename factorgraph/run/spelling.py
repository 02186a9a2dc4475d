"""What a claim names, as the graph spells it, at one slot of each index."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from factorgraph.graph.texts import number_text
from factorgraph.spec.claims import ClaimNode, State, free_indices, slots_of
from factorgraph.spec.expressions import Binary, Call, Negate, Node, Number, Slot

if TYPE_CHECKING:
    from factorgraph.graph.model import Graph
    from factorgraph.spec.schema import Spec

Slots = Mapping[str, int]
_LEVELS = {"+": 1, "-": 1, "*": 2, "/": 2}
_NEGATED, _ATOM = 3, 4


def combinations(root: ClaimNode, counts: Mapping[str, int]) -> list[Slots]:
    """Every combination of slots of a claim's free indices at which all that it reads exists; ``[{}]`` where it has none."""
    used = [slot for slot in slots_of(root) if slot.index in counts]
    found: list[dict[str, int]] = [{}]
    for index in free_indices(root, counts):
        found = [{**each, index: number} for each in found for number in range(counts[index])]
    return [each for each in found if all(0 <= each[slot.index or ""] + slot.offset < counts[slot.index or ""] for slot in used)]


def state_text(states: tuple[State, ...], slots: Slots, spec: Spec) -> str:
    """``filters[2].warm``; the empty text for the state after learning. A variant knows which of its family is the last."""

    def place(slot: Slot, name: str) -> int | str:
        phase = spec.learning.get(name)
        if phase is not None and phase.per is not None and slot.index == "last":
            return spec.indices[phase.per] - 1
        return _place(slot, slots)

    return ".".join(each.name + ("" if each.slot is None else f"[{place(each.slot, each.name)}]") for each in states)


def value_text(node: Node, slots: Slots, graph: Graph) -> str:
    """A value as its id in the graph: ``decoder(Z[1])``, ``Y - decoder(Z)``, ``P[0].where``; a procedure with its slot."""
    if isinstance(node, Number):
        return number_text(node.value)
    if isinstance(node, Negate):
        return f"-{_within(node.operand, _NEGATED, slots, graph)}"
    if isinstance(node, Binary):
        own = _LEVELS[node.operator]
        left, right = _within(node.left, own, slots, graph), _within(node.right, own + 1, slots, graph)
        return f"{left} {node.operator} {right}"
    name, output = ".".join(node.name), f".{node.output}" if node.output else ""
    if isinstance(node, Call):
        return f"{name}({', '.join(value_text(each, slots, graph) for each in node.arguments)}){output}"
    return f"{name}{'' if node.slot is None else f'[{_number(name, node.slot, slots, graph)}]'}{output}"


def _within(node: Node, level: int, slots: Slots, graph: Graph) -> str:
    """The text of a part, in parentheses where it binds less tightly than what stands around it."""
    own = _LEVELS[node.operator] if isinstance(node, Binary) else _NEGATED if isinstance(node, Negate) else _ATOM
    text = value_text(node, slots, graph)
    return text if own >= level else f"({text})"


def _place(slot: Slot, slots: Slots) -> int | str:
    if slot.index is None:
        return slot.offset
    return slots[slot.index] + slot.offset if slot.index in slots else slot.index


def _number(name: str, slot: Slot, slots: Slots, graph: Graph) -> int | str:
    """The number of a slot; ``last`` is that of the last slot that the name has."""
    if slot.index != "last":
        return _place(slot, slots)
    return max((number for each in graph.slots_of(name) for number in each.slots.values()), default="last")
