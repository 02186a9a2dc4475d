"""Expressions at slots become values: names bound, indices unrolled, equal expressions shared. Shapes come later."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import product
from typing import Any, Literal

from factorgraph.errors import Issue, Path, SpecError, issue
from factorgraph.graph.draft import Draft, Node
from factorgraph.graph.instances import instance
from factorgraph.graph.model import Application, Constant, Id, Operation, Written
from factorgraph.graph.names import Names, Source, Target
from factorgraph.graph.texts import binary_text, negated_text, number_text, slot_text
from factorgraph.registry import leaves
from factorgraph.spec.constants import Constants
from factorgraph.spec.expressions import Binary, Call, Negate, Number, Read
from factorgraph.spec.expressions import Node as Tree
from factorgraph.spec.names import unknown
from factorgraph.spec.syntax import ExpressionError
from factorgraph.structure import Affine, Function, ShapeError

Slots = Mapping[str, int]
Key = tuple[str, tuple[int, ...]]  # a variable and its slots, in the order of the spec's indices

_ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
}
_REFUSALS = {"+": "cannot be added", "-": "cannot be subtracted", "*": "cannot be multiplied"}


class Deferred(Exception):  # noqa: N818  not an error: another variable's turn
    """A derived variable is needed whose value is not made yet."""

    def __init__(self, key: Key):
        self.key = key


class Broken(Exception):  # noqa: N818  the mistake itself is told elsewhere
    """Something that is read has a mistake of its own, which is already noted."""


class Unroller:
    """Makes the values of expressions, from variables that are made already."""

    def __init__(self, names: Names, draft: Draft):
        self.names = names
        self.draft = draft
        self.made: dict[Key, Id | None] = {}  # None: there is no such slot
        self.broken: set[Key] = set()
        self.wrong: set[Path] = set()  # addresses of expressions with a wrong name
        self.issues: dict[tuple[str, Path, object], Issue] = {}

    # --- mistakes --------------------------------------------------------------------------------------------------------------

    def note(self, *issues: Issue) -> None:
        for it in issues:
            self.issues.setdefault((it.code, it.path, it.span), it)

    def check(self, source: Source) -> bool:
        """Whether all names of an expression are right; what is wrong is noted."""
        mistakes = self.names.mistakes(source)
        self.note(*mistakes)
        if mistakes:
            self.wrong.add(source.path)
        return not mistakes

    # --- slots -----------------------------------------------------------------------------------------------------------------

    def slots_of(self, name: str) -> Iterator[Slots]:
        """Every slot that the variable may have."""
        return self.every_slot(self.names.free_of[name])

    def every_slot(self, free: frozenset[str]) -> Iterator[Slots]:
        order = self.names.order(free)
        for slots in product(*(range(self.names.indices[index]) for index in order)):
            yield dict(zip(order, slots, strict=True))

    # --- expressions -----------------------------------------------------------------------------------------------------------

    def value(self, source: Source, slots: Slots) -> Id | None:
        """The value of an expression at slots; ``None`` where something that it reads does not exist.

        Raises :class:`Deferred`, :class:`Broken` and :class:`SpecError`.
        """
        if source.path in self.wrong:
            raise Broken
        return self._value(source.expression.root, source.path, slots)

    def _value(self, node: Tree, path: Path, slots: Slots) -> Id | None:
        match node:
            case Number():
                return self._number(node.value, Written(path, node.span))
            case Read():
                return self._read(node, path, slots)
            case Call():
                return self._call(node, path, slots)
            case Binary():
                return self._binary(node, path, slots)
            case Negate():
                return self._negate(node, path, slots)

    def _number(self, value: float, written: Written) -> Id:
        return self.draft.add(Constant(number_text(value), float(value), written))

    def _binary(self, node: Binary, path: Path, slots: Slots) -> Id | None:
        left, right = self._value(node.left, path, slots), self._value(node.right, path, slots)
        if left is None or right is None:
            return None
        a, b = self.draft.values[left], self.draft.values[right]
        written = Written(path, node.span)
        assert node.operator != "/", "values are not divided: the parser says so"
        if isinstance(a, Constant) and isinstance(b, Constant):
            return self._number(_ARITHMETIC[node.operator](a.value, b.value), written)
        value_id = self.draft.add(Operation(binary_text(node.operator, a, b), node.operator, (left, right), (), written))
        self.draft.compare([(left, _place(path, node.left)), (right, _place(path, node.right))], _REFUSALS[node.operator], slots)
        return value_id

    def _negate(self, node: Negate, path: Path, slots: Slots) -> Id | None:
        inner = self._value(node.operand, path, slots)
        if inner is None:
            return None
        value, written = self.draft.values[inner], Written(path, node.span)
        if isinstance(value, Constant):
            return self._number(-value.value, written)
        return self.draft.add(Operation(negated_text(value), "negate", (inner,), (), written))

    def _read(self, node: Read, path: Path, slots: Slots) -> Id | None:
        target = self.names.read(node)
        if target is None:
            return self._dim(node, path, slots)
        name, output = target
        at = self._slots_read(node, name, path, slots)
        if at is None:
            return None
        key = (name, tuple(at.values()))
        if key in self.broken:
            raise Broken
        if key not in self.made:
            raise Deferred(key)
        value_id = self.made[key]
        return value_id if value_id is None or output is None else self._part(value_id, output, path, node)

    def _slots_read(self, node: Read, name: str, path: Path, slots: Slots) -> Slots | None:
        """The slots at which a variable is read; ``None`` beyond an end."""
        at: dict[str, int] = {}
        own, slot = self.names.order(self.names.free_of[name]), node.slot
        for index in own:
            length = self.names.indices[index]
            if slot is not None and slot.index == index:
                at[index] = self._bound(index, name, path, node, slots) + slot.offset
            elif slot is not None and slot.index == "last":
                at[index] = length - 1
            elif slot is not None and slot.index is None:
                at[index] = slot.offset
            else:
                at[index] = self._bound(index, name, path, node, slots)
            if not 0 <= at[index] < length:
                return None
        return at

    def _bound(self, index: str, name: str, path: Path, node: Read | Call, slots: Slots) -> int:
        if index in slots:
            return slots[index]
        message = f"{name} has one value for each {index}, and it is not said here which is meant"
        fix = f"write {name}[0], {name}[last], or sum({name}, {index})" if isinstance(node, Read) else ""
        raise SpecError(issue("FG253", message, path, span=node.span, fix=fix))

    def _dim(self, node: Read, path: Path, slots: Slots) -> Id:
        """A dim, which may itself be an expression over dims, as a number."""
        spec, slot = self.names.spec, node.slot
        if slot is not None and slot.index is not None and slot.index in self.names.indices:
            self._bound(slot.index, ".".join(node.name), path, node, slots)
        try:
            number = Constants(spec.dims, slots, indices=spec.indices).read(node)
        except ExpressionError as error:
            error.span = node.span if error.path is None else error.span
            raise SpecError(error.issue(path)) from None
        return self._number(float(number), Written(path, node.span))

    # --- calls -----------------------------------------------------------------------------------------------------------------

    def _call(self, node: Call, path: Path, slots: Slots) -> Id | None:
        target = self.names.call(node)
        assert target is not None, "unknown functions are found before"
        if target.leaf is None and target.name in ("sum", "mean"):
            result = self._reduced(target.name, node, path, slots)  # type: ignore[arg-type]  # one of the two
        else:
            arguments = [self._value(each, path, slots) for each in node.arguments]
            present = [each for each in arguments if each is not None]
            if len(present) < len(arguments):
                return None
            written = Written(path, _without_output(node))
            result = self._join(present, written) if target.leaf is None else self._applied(target, present, node, path, slots)
        return result if result is None or node.output is None else self._part(result, node.output, path, node)

    def _reduced(self, operator: Literal["sum", "mean"], node: Call, path: Path, slots: Slots) -> Id | None:
        removed = node.arguments[1]
        assert isinstance(removed, Read), "what is no index is found before"
        index = ".".join(removed.name)
        found = (self._value(node.arguments[0], path, {**slots, index: at}) for at in range(self.names.indices[index]))
        parts = tuple(each for each in found if each is not None)
        if not parts:
            return None
        value_id = self.draft.add(Operation(f"{operator}({', '.join(parts)})", operator, parts, (), Written(path, node.span)))
        place = _place(path, node.arguments[0])
        self.draft.compare([(each, place) for each in parts], "cannot be summed", slots)
        return value_id

    def _join(self, parts: list[Id], written: Written) -> Id:
        if len(parts) == 1:
            return parts[0]
        return self.draft.add(Operation(f"join({', '.join(parts)})", "join", tuple(parts), (), written))

    def _applied(self, target: Target, arguments: list[Id], node: Call, path: Path, slots: Slots) -> Id:
        at = {target.per: self._bound(target.per, target.name, path, node, slots)} if target.per else {}
        chain = self.nodes(target, at, Written(path, node.name_span))
        written = Written(path, _without_output(node))
        shown = ", ".join(arguments)
        apart = not chain[0].leaf.joins or target.method not in ("forward", "transpose")
        given = tuple(arguments) if apart else (self._join(arguments, written),)
        joined = self.draft.values[given[0]]
        if not apart and isinstance(joined, Operation) and joined.operator == "join":
            shown = ", ".join(joined.arguments)
        if target.method == "transpose" and not chain[0].leaf.keeps(Affine):
            message = f"{target.name} is not affine as its options stand, and has no transpose"
            raise SpecError(issue("FG324", message, path, span=node.span, fix="declare a linear function for the way back"))
        if target.method != "forward":
            value_id = f"{chain[0].id}.{target.method}({shown})"
            return self.draft.add(Application(value_id, chain[0].id, target.method, given, (), written))
        for link, following in zip(chain, (*chain[1:], None), strict=True):
            stage = "" if following is None else ".activation" if link.chained else f".{link.leaf.type}"
            value_id = f"{chain[0].id}{stage}({shown})"
            given = (self.draft.add(Application(value_id, link.id, "forward", given, (), written)),)
        return given[0]

    def _part(self, whole: Id, output: str, path: Path, node: Read | Call) -> Id:
        value = self.draft.values[self.draft.root(whole)]
        is_whole = isinstance(value, Application) and value.output is None and value.method == "forward"
        outputs = self.draft.nodes[value.function].leaf.outputs if isinstance(value, Application) and is_whole else ()
        if output not in outputs or not isinstance(value, Application):
            message = f"{whole} has no output {output}"
            allowed = ", ".join(f".{each}" for each in outputs) or "it has one value, without a name"
            span = (node.span[1] - len(output), node.span[1])
            raise SpecError(issue("FG255", message, path, span=span, allowed=allowed))
        written = Written(path, node.span)
        return self.draft.add(Application(f"{whole}.{output}", value.function, "forward", (whole,), (), written, output))

    # --- function nodes --------------------------------------------------------------------------------------------------------

    def nodes(self, target: Target, at: Slots, called: Written) -> tuple[Node, ...]:
        """The chain of nodes of a function at a slot: itself, its activation, its gain."""
        value_id = target.name + slot_text(at)
        if value_id not in self.draft.nodes:
            written = called if target.declared is None else Written(target.declared.path)
            assert target.leaf is not None, "only functions have nodes"
            leaf = target.leaf.model_validate({}) if target.declared is None else self._leaf(target.declared, at)
            self.draft.nodes[value_id] = Node(value_id, target.name, leaf, written, at)
            for stage, behind in _behind(leaf):
                key = f"{value_id}.{stage}"
                place = Written((*written.path, stage)) if target.declared is not None else written
                self.draft.nodes[key] = Node(key, target.name, behind, place, at, chained=True)
        keys = (value_id, f"{value_id}.activation", f"{value_id}.gain")
        return tuple(self.draft.nodes[key] for key in keys if key in self.draft.nodes)


    def _leaf(self, declared: Any, at: Slots) -> Function:
        """A declared function at a slot; one that is made from another gets it."""
        leaf: Function = instance(declared, at)
        name = leaf.template()
        if name is None:
            return leaf
        other = self.names.spec.functions.get(name)
        if other is None:
            raise SpecError(unknown("function", name, tuple(self.names.spec.functions), (*declared.path, "mirror")))
        if other.per not in (None, declared.per):
            message = f"{name} has one copy for each {other.per}, and what is made from it has not"
            raise SpecError(issue("FG337", message, declared.path, fix=f"per: {other.per}"))
        try:
            return leaf.made_from(instance(other, at if other.per else {}))
        except ShapeError as error:
            raise SpecError(issue("FG337", f"{declared.path[-1]} {error}", (*declared.path, *error.path))) from None


def _behind(leaf: Function) -> Iterator[tuple[str, Function]]:
    """The functions that a function with ``activation`` and ``gain`` is followed by."""
    activation = getattr(leaf, "activation", None) if "activation" in leaf.stages else None
    if isinstance(activation, str) and activation != "identity":
        yield "activation", _stage(activation, leaf)
    elif isinstance(activation, Function):
        yield "activation", activation
    if "gain" in leaf.stages and getattr(leaf, "gain", False):
        yield "gain", _stage("gain", leaf)


def _stage(kind: str, leaf: Function) -> Function:
    """What stands behind a function, by its type: behind maps it learns one number for each."""
    cls: Any = leaves("functions")[kind]
    stage: Function = cls(per_map=True) if leaf.by_map and "per_map" in cls.model_fields else cls()
    return stage


def _without_output(node: Call) -> tuple[int, int]:
    """The characters of ``pool(H)`` in ``pool(H).what``."""
    return node.span if node.output is None else (node.span[0], node.span[1] - len(f".{node.output}"))


def _place(path: Path, node: Tree) -> Written:
    """Where a mistake about a part of an expression points: the name inside it, if it has one."""
    return Written(path, node.name_span if isinstance(node, Call) else node.span)
