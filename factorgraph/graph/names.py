"""What the words of an expression stand for, and over which indices it has values; mistakes in slots and methods, all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from factorgraph.errors import Issue, Path, address
from factorgraph.graph.builtin import BUILTIN
from factorgraph.registry import leaves
from factorgraph.spec.expressions import Binary, Call, Expression, Negate, Node, Read
from factorgraph.spec.names import unknown
from factorgraph.structure import Affine, Function

if TYPE_CHECKING:
    from factorgraph.spec.schema import Spec


@dataclass(frozen=True)
class Source:
    """An expression and where it stands."""

    path: Path
    expression: Expression


@dataclass(frozen=True)
class Target:
    """What a call calls. ``declared`` is empty for a function that is called by its type, and for ``sum``, ``mean``, ``join``."""

    name: str
    method: str = "forward"
    declared: Any = None
    leaf: type[Function] | None = None

    @property
    def per(self) -> str | None:
        return None if self.declared is None else self.declared.per


class Names:
    """The names of a spec, and the free indices of everything that can be read."""

    def __init__(self, spec: Spec):
        self.spec = spec
        self.variables = {name: declared.first for name, declared in spec.variables.items()}
        self.indices: Mapping[str, int] = spec.indices
        self.free_of = self._free_of_variables()

    # --- what a name means -----------------------------------------------------------------------------------------------------

    def read(self, read: Read) -> tuple[str, str | None] | None:
        """The variable that is read and the output that is taken of it; ``None`` if it is no variable."""
        whole = ".".join(read.name)
        if whole in self.variables:
            return whole, read.output
        if read.slot is None and ".".join(read.name[:-1]) in self.variables:
            return ".".join(read.name[:-1]), read.name[-1]
        return None

    def call(self, call: Call) -> Target | None:
        """The function that is called; ``None`` if there is none of that name."""
        whole, before = ".".join(call.name), ".".join(call.name[:-1])
        functions = self.spec.functions
        if whole in functions:
            return Target(whole, declared=functions[whole], leaf=functions[whole].cls)
        if before in functions:
            return Target(before, call.name[-1], functions[before], functions[before].cls)
        if whole in BUILTIN:
            return Target(whole)
        found = leaves("functions").get(call.name[0]) if len(call.name) <= 2 else None
        if found is None or not issubclass(found, Function):
            return None
        return Target(call.name[0], call.name[1] if len(call.name) == 2 else "forward", leaf=found)

    def _only(self, index: str | None) -> frozenset[str]:
        return frozenset({index}) if index is not None and index in self.indices else frozenset()

    def order(self, indices: Iterable[str]) -> tuple[str, ...]:
        """Indices in the order of the spec."""
        held = frozenset(indices)
        return tuple(index for index in self.indices if index in held)

    # --- free indices ----------------------------------------------------------------------------------------------------------

    def free(self, node: Node) -> frozenset[str]:
        """The indices over which an expression has one value each."""
        return self._free(node, self.free_of)

    def _free_of_variables(self) -> dict[str, frozenset[str]]:
        """The least assignment in which every derived variable has the free indices of its expression.

        One of a fragment that has an index of its own keeps it: what it is bound to is read slot by slot.
        """
        found = {name: self._only(leaf.per) for name, leaf in self.variables.items()}
        derived = {name: leaf.is_.root for name, leaf in self.variables.items() if leaf.is_ is not None and leaf.per is None}
        changed = True
        while changed:
            changed = False
            for name, root in derived.items():
                now = self._free(root, found)
                changed |= now != found[name]
                found[name] = now
        return found

    def _free(self, node: Node, known: Mapping[str, frozenset[str]]) -> frozenset[str]:
        match node:
            case Read():
                return self._free_of_read(node, known)
            case Call():
                return self._free_of_call(node, known)
            case Binary():
                return self._free(node.left, known) | self._free(node.right, known)
            case Negate():
                return self._free(node.operand, known)
        return frozenset()

    def _free_of_read(self, node: Read, known: Mapping[str, frozenset[str]]) -> frozenset[str]:
        target = self.read(node)
        own = known[target[0]] if target else frozenset()
        if node.slot is None:
            return own
        if node.slot.index is not None and node.slot.index in self.indices:
            return own | {node.slot.index}
        return frozenset() if len(own) == 1 else own

    def _free_of_call(self, node: Call, known: Mapping[str, frozenset[str]]) -> frozenset[str]:
        target = self.call(node)
        if target is not None and target.name in ("sum", "mean") and target.leaf is None:
            inside = self._free(node.arguments[0], known)
            removed = removed_index(node)
            return inside - {removed} if removed else inside
        own = self._only(target.per if target else None)
        return own.union(*(self._free(each, known) for each in node.arguments))

    def fixed_index(self, own: frozenset[str]) -> str | None:
        """The index that ``[2]`` or ``[last]`` is a slot of: the only one."""
        return next(iter(own)) if len(own) == 1 else None

    # --- mistakes --------------------------------------------------------------------------------------------------------------

    def mistakes(self, source: Source) -> list[Issue]:
        """Every wrong name, slot, method and sum of an expression."""
        return list(self._mistakes(source.expression.root, source.path))

    def _mistakes(self, node: Node, path: Path) -> Iterator[Issue]:
        match node:
            case Read():
                yield from self._in_read(node, path)
            case Call():
                yield from self._in_call(node, path)
            case Binary():
                yield from self._mistakes(node.left, path)
                yield from self._mistakes(node.right, path)
            case Negate():
                yield from self._mistakes(node.operand, path)

    def _in_read(self, node: Read, path: Path) -> Iterator[Issue]:
        name = ".".join(node.name)
        target = self.read(node)
        if target is not None:
            yield from self._in_slot(node, target[0], path)
        elif name in self.spec.dims:
            yield from self._in_dim(node, name, path)
        else:
            yield unknown("variable", name, (*self.variables, *self.spec.dims), path, node.name_span)

    def _in_slot(self, node: Read, name: str, path: Path) -> Iterator[Issue]:
        slot, own = node.slot, self.free_of[name]
        if slot is None:
            return
        if slot.index is not None and slot.index != "last":
            if slot.index not in own:
                yield self._no_index(slot.index, name, path, slot.span)
            return
        index = self.fixed_index(own)
        if index is None:
            about = "has no slots" if not own else "has several indices, and it is not clear which is meant"
            yield Issue("FG253", f"{name} {about}", path, span=slot.span, fix=f"write {name}" if not own else "")
        elif slot.index is None and not 0 <= slot.offset < self.indices[index]:
            last = self.indices[index] - 1
            yield Issue("FG254", f"{name} has no slot {slot.offset}: {index} runs from 0 to {last}", path, span=slot.span)

    def _no_index(self, index: str, name: str, path: Path, span: tuple[int, int]) -> Issue:
        own = ", ".join(self.order(self.free_of[name]))
        many = f"one value for each {own}, not for each {index}"
        message = f"{name} has {many if own else f'only one value, none for each {index}'}"
        fix = f"give it one: {address(('variables', name, 'per'))}: {index}" if self.variables[name].is_ is None else ""
        return Issue("FG253", message, path, span=span, fix=fix)

    def _in_dim(self, node: Read, name: str, path: Path) -> Iterator[Issue]:
        value = self.spec.dims[name]
        if isinstance(value, list | tuple):
            if node.slot is None:
                message = f"{name} is a list, {list(value)}, and an expression takes one number"
                fix = f"read it at a slot: {name}[{next(iter(self.indices), '0')}]"
                yield Issue("FG253", message, path, span=node.name_span, fix=fix)
        elif node.slot is not None:
            yield Issue("FG253", f"{name} is one number and has no slots", path, span=node.slot.span, fix=f"write {name}")

    def _in_call(self, node: Call, path: Path) -> Iterator[Issue]:
        target = self.call(node)
        if target is None:
            yield unknown("function", ".".join(node.name), (*self.spec.functions, *BUILTIN), path, node.name_span)
        elif target.leaf is None:
            yield from self._in_builtin(node, target.name, path)
            if target.name != "join":
                yield from self._mistakes(node.arguments[0], path)
                return
        else:
            yield from _in_method(node, target, path)
        for argument in node.arguments:
            yield from self._mistakes(argument, path)

    def _in_builtin(self, node: Call, name: str, path: Path) -> Iterator[Issue]:
        if name == "join":
            return
        index = removed_index(node)
        if len(node.arguments) != 2 or index is None:
            yield Issue("FG258", f"{name} takes a value and an index", path, span=node.span, fix=f"write {name}(A, t)")
        elif index not in self.free(node.arguments[0]):
            message = f"{name} over {index}, of a value that is the same for each {index}"
            yield Issue("FG258", message, path, span=node.arguments[1].span, fix="remove it, or read something with that index")


def removed_index(node: Call) -> str | None:
    """The ``t`` of ``sum(A, t)``."""
    last = node.arguments[-1]
    return ".".join(last.name) if isinstance(last, Read) and last.slot is None and not last.output else None


def _in_method(node: Call, target: Target, path: Path) -> Iterator[Issue]:
    assert target.leaf is not None, "only functions have methods"
    span = (node.name_span[1] - len(node.name[-1]), node.name_span[1])
    if target.method == "transpose":
        if not issubclass(target.leaf, Affine):
            message = f"{target.name} is of type {_type(target.leaf)}, which is not affine and has no transpose"
            yield Issue("FG324", message, path, span=span, fix="declare a linear function for the way back")
    elif target.method != "forward" and target.method not in target.leaf.methods:
        offered = (*(("transpose",) if issubclass(target.leaf, Affine) else ()), *target.leaf.methods)
        allowed = ", ".join(f"{target.name}.{each}" for each in offered)
        yield Issue("FG324", f"{target.name} has no {target.method}", path, span=span, allowed=allowed or f"{target.name}(...)")


def learns(cls: type[Function]) -> bool:
    """Whether functions of a class may have parameters."""
    return cls.parameters is not Function.parameters


def _type(cls: type[Function]) -> str:
    return str(cls.model_fields["type"].default)
