"""Names as they stand in a fragment, and as the spec that uses it reads them: ``decoder`` is ``first.decoder``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from factorgraph.errors import BY_NAME, Path
from factorgraph.spec.expressions import Binary, Call, Expression, Negate, Node, Read, Slot

IN_VALUES = ("dims", "indices", "use", "variables", "functions")  # the blocks whose names stand in expressions


@dataclass(frozen=True)
class Scope:
    """Where an entry stands: in a fragment, by the name that the spec uses it under, or in the spec itself, which has no name.

    ``values``: what expressions of the fragment's file can read; ``entries``: what its lists of names can.
    """

    name: str = ""
    values: frozenset[str] = frozenset()
    entries: frozenset[str] = frozenset()

    @classmethod
    def of_fragment(cls, name: str, written: Mapping[str, Any]) -> Scope:
        """The scope of a fragment's own entries, from the values of its file."""

        def names(*blocks: str) -> Iterator[str]:
            for block in blocks:
                value = written.get(block)
                yield from map(str, value) if isinstance(value, Mapping) else ()

        return cls(name, frozenset(names(*IN_VALUES)), frozenset(names(*BY_NAME)))

    def within(self, outer: Scope) -> Scope:
        """The same scope, seen from one more spec above."""
        return replace(self, name=f"{outer.name}.{self.name}") if self.name else outer

    def whole(self, name: str) -> str:
        """A name of the fragment's file as the whole knows it."""
        return f"{self.name}.{name}" if self.name else name

    def path(self, path: Path) -> Path:
        """An address in the fragment's file as the whole knows it: ``factors.(first.sparsity).weight``."""
        return (path[0], self.whole(str(path[1])), *path[2:])

    def local(self, name: str) -> str:
        """The other way round."""
        return name.removeprefix(f"{self.name}.") if self.name else name

    def reference(self, written: str) -> str:
        """A name in a list of names: ``optimal[0]``, ``inner.optimal``."""
        return self.whole(written) if re.split(r"[.\[]", written, maxsplit=1)[0] in self.entries else written

    def expression(self, it: Expression) -> Expression:
        """An expression with its names as the whole knows them. Spans stay those of the text that somebody wrote."""
        if not self.name:
            return it
        text = it.text
        for place in sorted(self._places(it.root), reverse=True):
            text = f"{text[:place]}{self.name}.{text[place:]}"
        return Expression(text, self._node(it.root))

    def _node(self, node: Node) -> Node:
        match node:
            case Read():
                return replace(node, name=self._path(node.name), slot=self._slot(node.slot))
            case Call():
                return replace(node, name=self._path(node.name), arguments=tuple(map(self._node, node.arguments)))
            case Binary():
                return replace(node, left=self._node(node.left), right=self._node(node.right))
            case Negate():
                return replace(node, operand=self._node(node.operand))
        return node

    def _path(self, name: tuple[str, ...]) -> tuple[str, ...]:
        return (*self.name.split("."), *name) if name[0] in self.values else name

    def _slot(self, slot: Slot | None) -> Slot | None:
        inside = slot is not None and slot.index is not None and slot.index.split(".")[0] in self.values
        return replace(slot, index=self.whole(slot.index)) if inside else slot  # type: ignore[union-attr, arg-type, type-var]  # inside

    def _places(self, node: Node) -> Iterator[int]:
        """Where, in an expression's text, a name of the fragment begins."""
        if isinstance(node, Read | Call) and node.name[0] in self.values:
            yield node.name_span[0]
        if isinstance(node, Read) and node.slot is not None and self._slot(node.slot) is not node.slot:
            yield node.slot.span[0]
        inside = {Call: ("arguments",), Binary: ("left", "right"), Negate: ("operand",)}.get(type(node), ())
        for key in inside:
            below = getattr(node, key)
            for each in below if isinstance(below, tuple) else (below,):
                yield from self._places(each)


WHOLE = Scope()  # the spec that nobody uses
