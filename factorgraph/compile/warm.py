"""Searches that start at what was found for a training row when it was last seen: what that takes, and where it cannot be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod

from factorgraph.compile.naming import named_procedures
from factorgraph.compile.plan import ProcedurePlan
from factorgraph.errors import Issue, SpecError, issue
from factorgraph.graph.model import Graph, Id
from factorgraph.inference.methods._method import Method
from factorgraph.structure import Shape

LARGEST = 2**30  # bytes of one procedure's codes: each checkpoint holds them too
BYTES = 4  # of a unit: float32


def remembered(graph: Graph, plan: ProcedurePlan, method: Method) -> dict[Id, Shape]:
    """The variables of a procedure that start at their previous codes, with the shape of one."""
    return {key: graph.variables[key].shape for key in plan.block if method.remembers(graph.variables[key].name)}


def bytes_of(shapes: Mapping[Id, Shape]) -> int:
    """What the codes of one row take."""
    return BYTES * sum(map(prod, shapes.values()))


def check_warm(graph: Graph) -> None:
    """Raise :class:`SpecError` FG422 where a procedure starts at the previous code of a row that is another one each time."""
    found = list(_augmented(graph))
    if found:
        raise SpecError(graph.spec.document.located(found))


def _augmented(graph: Graph) -> Iterator[Issue]:
    blocks = graph.spec.data.blocks if graph.spec.data is not None else {}
    changed = {variable for block in blocks.values() if block.augment for variable in block.bind}
    for named in named_procedures(graph).values():
        if not any(named.method.remembers(each.name) for each in named.block):
            continue
        read = graph.leading_to(each for key in named.factors for each in graph.factors[key].arguments)
        for name in sorted({graph.variables[key].name for key in read & graph.variables.keys()} & changed):
            what = f'procedure "{named.name}" starts at the previous code of a row, and {name} is augmented, so another each time'
            fix = "start: 0, or an encoder's guess; or leave augment out"
            yield issue("FG422", what, ("inference", named.name, "start"), fix=fix)


def describe(graph: Graph, plan: ProcedurePlan) -> str:
    """What a procedure keeps from visit to visit, as ``explain`` prints it; empty where it keeps nothing."""
    one = bytes_of(remembered(graph, plan, named_procedures(graph)[plan.id].method))
    if not one:
        return ""
    return f"  start   {'previous':18} {one:,} bytes for each training row, and as many in each checkpoint{_of_all(graph, one)}"


def _of_all(graph: Graph, one: int) -> str:
    counts = [block.count for block in graph.spec.data.blocks.values()] if graph.spec.data is not None else []
    known = [count for count in counts if count is not None]
    if not known or len(known) < len(counts):
        return ""
    return f": {one} x {sum(known):,} = {one * sum(known) / 1e6:,.3g} MB"
