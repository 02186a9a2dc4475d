"""Fragments in a picture: closed, each is one box with the lines that leave it; open, its shapes stand in a frame."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from factorgraph.errors import BY_NAME, Issue, SpecError
from factorgraph.graph.model import Application, FactorNode, Graph, Value, Variable
from factorgraph.spec.suggest import near, nearest


def part_of(graph: Graph, item: Value | FactorNode) -> str:
    """The fragment that something belongs to: by its name or its function's, else by where it was written."""
    if isinstance(item, Variable | FactorNode):
        return before(item.name)
    if isinstance(item, Application) and (part := before(graph.functions[item.function].spelled)):
        return part
    path = item.written.path
    return before(str(path[1])) if len(path) > 1 and path[0] in BY_NAME else ""


def before(name: str) -> str:
    """``pair.low`` of ``pair.low.Z``."""
    return name.rpartition(".")[0]


def within(text: str, part: str) -> str:
    """A text as it is read inside a fragment: its own names without its name."""
    return re.sub(rf"(?<![\w.]){re.escape(part)}\.", "", text) if part else text


def levels(part: str) -> Iterator[str]:
    """A fragment with those that it lies in, outermost first: ``pair``, ``pair.low``."""
    names = part.split(".") if part else []
    yield from (".".join(names[: count + 1]) for count in range(len(names)))


def opened(graph: Graph, names: Iterable[str]) -> frozenset[str]:
    """The fragments that are drawn open: those that are named, what they lie in, and one that is all there is to see.

    Raises :class:`SpecError` FG209 for a name that no fragment has.
    """
    parts = _parts(graph)
    known = known_in(graph)
    for name in names:
        if name not in known:
            raise SpecError(graph.spec.document.locate(_absent(name, known)))
    found = {each for name in names for each in levels(name)}
    while len({next((each for each in levels(part) if each not in found), part) for part in parts}) == 1 and set(known) - found:
        found.add(next(each for each in known if each not in found))
    return frozenset(found)


def _absent(name: str, known: tuple[str, ...]) -> Issue:
    """A name that no fragment has, with those that can be opened, the nearest first."""
    meant = near(name, known)
    hint = f'. Did you mean "{meant}"?' if meant else ""
    allowed = nearest(name, known)
    some = f"open {meant}" if meant else f"open one that is there, such as {next(iter(allowed), '')}"
    fix = some if known else "open nothing: the spec uses no fragment"
    what = f'there is no fragment "{name}"{hint}'
    return Issue("FG209", what, ("use",), on="key", allowed=", ".join(allowed), fix=fix)


def known_in(graph: Graph) -> tuple[str, ...]:
    """The fragments that a graph has something of, with those that they lie in."""
    return tuple(dict.fromkeys(each for part in _parts(graph) for each in levels(part)))


def _parts(graph: Graph) -> dict[str, None]:
    names = [*(each.name for each in graph.variables.values()), *(each.name for each in graph.factors.values())]
    return dict.fromkeys(map(before, names))
