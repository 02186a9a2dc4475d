"""The procedures of a graph by name: slots unrolled, blocks and visible factors resolved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product

from factorgraph.compile.plan import ProcedurePlan
from factorgraph.compile.planner import Named, visible
from factorgraph.errors import Issue, Path, issue
from factorgraph.graph.model import Graph, Id, Variable
from factorgraph.inference.methods._method import Method

FIELDS = ("start", "by")  # of methods: expressions that give a value to each variable of the block


def named_procedures(graph: Graph) -> dict[str, Named]:
    """Every procedure at every slot of its index, in the order of the spec."""
    found: dict[str, Named] = {}
    for name, declared in graph.spec.inference.items():
        for slots in _slots(graph, declared.per):
            method = declared.at(slots)
            assert isinstance(method, Method), "the schema lets only methods into this block"
            key = name + "".join(f"[{position}]" for position in slots.values())
            factors = visible(graph, method.only, method.without)
            found[key] = Named(key, name, slots, method, _block(graph, name, slots), factors)
    return found


def reads(graph: Graph, named: Named) -> dict[str, dict[Id, Id]]:
    """For each field of the method that gives values: the value for each variable of the block."""
    base: Path = ("inference", named.name, *named.slots.values())
    return {field: found for field in FIELDS if (found := dict(_pairs(graph, (*base, field), named.block)))}


def minimised(graph: Graph, plan: ProcedurePlan, method: Method) -> list[str]:
    """Ids of the factors that a search goes by: those that move with its block."""
    block = frozenset(plan.block)
    factors = [graph.factors[key] for key in plan.factors] if method.searches else []
    return [each.id for each in factors if each.weight != 0 and any(graph.depends(key, block) for key in each.arguments)]


def awaited(graph: Graph, plan: ProcedurePlan, method: Method, read: Mapping[str, Mapping[Id, Id]]) -> frozenset[Id]:
    """The latent variables that must be known before a procedure runs: what it reads, less what it infers."""
    seen = [each for factor in minimised(graph, plan, method) for each in graph.factors[factor].arguments]
    given = [each for values in read.values() for each in values.values()]
    latent = frozenset(each.id for each in graph.of_kind("latent"))
    return (graph.leading_to([*seen, *given]) & latent) - set(plan.block)


def in_order(names: Iterable[str], blocks: Mapping[str, Iterable[Id]], waits: Mapping[str, frozenset[Id]]) -> list[str]:
    """Procedures as they were named, but each behind those that infer what it waits for; a circle stays as it was named."""
    left, found = list(names), list[str]()
    while left:
        first = next((key for key in left if not any(waits[key] & set(blocks[each]) for each in left if each != key)), left[0])
        found.append(first)
        left.remove(first)
    return found


def leading_to(
    names: Sequence[str], wanted: Iterable[Id], blocks: Mapping[str, Iterable[Id]], waits: Mapping[str, frozenset[Id]]
) -> list[str]:
    """The procedures that infer some variables, and those that infer what these wait for, as they were named."""
    left, kept = {*wanted}, set[str]()
    while more := {key for key in names if key not in kept and left & set(blocks[key])}:
        kept |= more
        left = {each for key in more for each in waits[key]}
    return [key for key in names if key in kept]


def summed_apart(graph: Graph, procedures: Mapping[str, ProcedurePlan], used: tuple[str, ...]) -> Iterator[Issue]:
    """Sums that read a variable which another sums out: one after the other they are not the sum over both."""
    by: dict[Id, str] = {}
    for key in used:
        if named_procedures(graph)[key].method.sums:
            plan = procedures[key]
            read = graph.leading_to(each for term in plan.terms for each in graph.factors[term.factor].arguments)
            other = next((each for each in by if each in read), None)
            if other is not None:
                of = ", ".join(dict.fromkeys(graph.variables[each].name for each in (other, *plan.block)))
                what = f'"{key}" reads {other}, which "{by[other]}" sums out: a factor ties what is summed apart'
                yield issue("FG455", what, ("inference", plan.name, "of"), fix=f"one procedure, of: [{of}]")
            by |= dict.fromkeys(plan.block, key)


def _pairs(graph: Graph, path: Path, block: tuple[Variable, ...]) -> Iterator[tuple[Id, Id]]:
    if path in graph.entries:
        yield from zip((each.id for each in block), graph.entries[path], strict=True)
        return
    for name in dict.fromkeys(each.name for each in block):
        values = graph.entries.get((*path, name), ())
        yield from zip((each.id for each in block if each.name == name), values, strict=bool(values))


def _block(graph: Graph, name: str, slots: Mapping[str, int]) -> tuple[Variable, ...]:
    ids = graph.entries[("inference", name, *slots.values(), "of")]
    return tuple(graph.variables[each] for each in ids)


def _slots(graph: Graph, per: str | None) -> Iterator[dict[str, int]]:
    if per is None:
        yield {}
        return
    for position in product(range(graph.spec.indices[per])):
        yield {per: position[0]}
