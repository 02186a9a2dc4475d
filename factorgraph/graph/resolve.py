"""From a spec to what it means: names bound, indices unrolled, equal expressions shared, sizes inferred, roles derived."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from factorgraph.errors import Issue, Path, SpecError, issue
from factorgraph.graph.draft import Draft, FactorDraft, Node
from factorgraph.graph.entries import Entries
from factorgraph.graph.instances import Size, instance, size_at, weight
from factorgraph.graph.misfits import Owners, misfits, too_large
from factorgraph.graph.model import FactorNode, FunctionNode, Graph, Id, Value, Variable
from factorgraph.graph.names import Names, Source
from factorgraph.graph.roles import warnings, with_roles
from factorgraph.graph.shapes import Shapes
from factorgraph.graph.unroll import Broken, Unroller
from factorgraph.graph.variables import Variables
from factorgraph.spec.expressions import Expression
from factorgraph.spec.targets import Target
from factorgraph.structure import ShapeError

if TYPE_CHECKING:
    from factorgraph.spec.schema import Spec


def resolve(spec: Spec) -> Graph:
    """The graph of a spec. Raises :class:`SpecError` with every mistake, each at its place."""
    with spec.document.locating():
        graph = _resolve(spec)
    located = tuple(spec.document.locate(each) for each in (*spec.warnings, *graph.warnings))
    return replace(graph, warnings=located)


def extend(graph: Graph, expression: Expression, path: Path) -> tuple[Graph, tuple[Id, ...]]:
    """The graph with the values of one more expression, and their ids: one for each slot where it exists, in order.

    For what is asked of a finished model: the arguments of metrics and figures. Raises :class:`SpecError`.
    """
    with graph.spec.document.locating():
        unroller, source = _again(graph), Source(path, expression)
        ids: list[Id] = []
        if unroller.check(source):
            for slots in unroller.every_slot(unroller.names.free(expression.root)):
                ids += _valued(unroller, source, slots)
        return _extended(graph, unroller, ids), tuple(ids)


def resolve_value(graph: Graph, expression: Expression, slots: Mapping[str, int], path: Path) -> tuple[Graph, Id]:
    """The graph with one more value, an expression's at given slots, and its id. Raises :class:`SpecError`."""
    with graph.spec.document.locating():
        unroller, source = _again(graph), Source(path, expression)
        ids = _valued(unroller, source, slots) if unroller.check(source) else []
        if not ids and not unroller.issues:
            raise SpecError(issue("FG325", f"{expression.text} does not exist here", path, span=expression.root.span))
        return _extended(graph, unroller, ids), ids[0]


# --- a spec --------------------------------------------------------------------------------------------------------------------


def _resolve(spec: Spec) -> Graph:
    unroller = Unroller(Names(spec), Draft())
    for source in _definitions(unroller.names):
        unroller.check(source)
    Variables(unroller).make()
    entries = Entries(unroller)
    entries.factors()
    entries.procedures()
    entries.losses()
    draft = unroller.draft
    _keep(draft, entries.found)
    shapes = Shapes(draft)
    shapes.solve()
    wrong = list(unroller.issues.values())
    wrong += [it for it in misfits(shapes) if it.code != "FG322" or not unroller.issues]  # a size may be missing for a mistake
    if wrong:
        raise SpecError(wrong)
    graph = _built(spec, unroller.names, shapes, entries.found)
    graph = with_roles(graph)
    return replace(graph, warnings=warnings(graph))


def _definitions(names: Names) -> list[Source]:
    found: list[Source] = []
    for name, leaf in names.variables.items():
        declared = names.spec.variables[name]
        if leaf.is_ is not None:
            found.append(Source(declared.definition, leaf.is_))
        if leaf.start is not None:
            found.append(Source((*declared.path, "start"), leaf.start))
    return found


def _keep(draft: Draft, entries: Mapping[Path, tuple[Id, ...]]) -> None:
    wanted = [value_id for value_id, value in draft.values.items() if isinstance(value, Variable)]
    wanted += [value_id for factor in draft.factors.values() for value_id in factor.arguments]
    wanted += [value_id for ids in entries.values() for value_id in ids]
    draft.keep(wanted)


def _built(spec: Spec, names: Names, shapes: Shapes, entries: Mapping[Path, tuple[Id, ...]]) -> Graph:
    values = _values(shapes)
    functions = {value_id: _function(node, shapes) for value_id, node in shapes.draft.nodes.items()}
    factors: dict[str, FactorNode] = {}
    wrong: list[Issue] = []
    for value_id, draft in shapes.draft.factors.items():
        try:
            factors[value_id] = _factor(spec, draft, values, functions, size_at(names, draft.slots, shapes.of.get))
        except SpecError as error:
            wrong += error.issues
    wrong += too_large(_owners(functions, factors), [each for each in values.values() if isinstance(each, Variable)])
    if wrong:
        raise SpecError({(it.code, it.path, it.span): it for it in wrong}.values())
    return Graph(spec, values, functions, factors, dict(entries))


def _values(shapes: Shapes) -> dict[Id, Value]:
    return {value_id: replace(value, shape=shapes.of[value_id]) for value_id, value in shapes.draft.values.items()}


def _function(node: Node, shapes: Shapes) -> FunctionNode:
    given, result = shapes.given(node) or (), shapes.result(node) or ()
    parameters = node.leaf.parameters(given, result)
    return FunctionNode(node.id, node.spelled, node.leaf, parameters, given, result, node.written)


def _factor(
    spec: Spec, draft: FactorDraft, values: Mapping[Id, Value], functions: Mapping[str, FunctionNode], size: Size
) -> FactorNode:
    entry = spec.factors[draft.name]
    leaf = instance(entry.leaf, draft.slots, size)
    shapes = [values[each].shape for each in draft.arguments]
    if draft.matrix is not None:
        held = functions[draft.matrix].parameters
        if "matrix" not in held:
            what = f"factor {draft.name} reads the matrix of {draft.matrix}, which has none"
            raise SpecError(issue("FG320", what, (*entry.path, "of"), fix="name a linear function"))
        shapes = [held["matrix"].shape]
    try:
        leaf.check(*shapes)
        parameters = leaf.parameters(*shapes)
    except ShapeError as error:
        raise SpecError(issue("FG320", f"factor {draft.name} {error}", entry.path)) from None
    scale = weight(entry, draft.slots, size)
    target = scale if isinstance(scale, Target) else None
    number = 1.0 if isinstance(scale, Target) else scale
    about = (draft.id, draft.name, draft.slots, leaf, number, draft.arguments, parameters, draft.written)
    return FactorNode(*about, target, draft.matrix)


def _owners(functions: Mapping[str, FunctionNode], factors: Mapping[str, FactorNode]) -> Owners:
    found = {f"functions.{name}": (each.written.path, each.parameters) for name, each in functions.items()}
    found |= {f"factors.{name}": (each.written.path, each.parameters) for name, each in factors.items()}
    return {owner: (path, {name: tensor.shape for name, tensor in held.items()}) for owner, (path, held) in found.items()}


# --- one expression more -------------------------------------------------------------------------------------------------------


def _again(graph: Graph) -> Unroller:
    """An unroller that knows all values of a graph."""
    draft = Draft()
    for node in graph.functions.values():
        chained = node.id != node.spelled and node.id.endswith((".activation", ".gain"))
        draft.nodes[node.id] = Node(node.id, node.spelled, node.leaf, node.written, {}, chained)
    for value in graph.values.values():
        draft.add(value)
        draft.declared[value.id] = value.shape
    unroller = Unroller(Names(graph.spec), draft)
    for value in graph.variables.values():
        unroller.made[(value.name, tuple(value.slots.values()))] = value.id
    for name in graph.spec.variables:
        for slots in unroller.slots_of(name):
            unroller.made.setdefault((name, tuple(slots.values())), None)
    return unroller


def _valued(unroller: Unroller, source: Source, slots: Mapping[str, int]) -> list[Id]:
    try:
        value_id = unroller.value(source, slots)
    except Broken:
        return []
    except SpecError as error:
        unroller.note(*error.issues)
        return []
    return [] if value_id is None else [value_id]


def _extended(graph: Graph, unroller: Unroller, ids: list[Id]) -> Graph:
    draft = unroller.draft
    draft.keep([*graph.values, *ids])
    shapes = Shapes(draft)
    shapes.solve()
    wrong = list(unroller.issues.values()) or misfits(shapes)
    if wrong:
        raise SpecError(wrong)
    functions = {value_id: graph.functions.get(value_id) or _function(node, shapes) for value_id, node in draft.nodes.items()}
    functions = {**graph.functions, **functions}
    wrong = list(too_large(_owners(functions, {}), ()))
    if wrong:
        raise SpecError(wrong)
    return replace(graph, values=_values(shapes), functions=functions)
