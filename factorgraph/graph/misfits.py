"""What is wrong with shapes, in words: the chain of shapes up to the place, the slot, and where a missing size is written."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping

from factorgraph.errors import Issue, Path, address, issue
from factorgraph.graph.draft import Node, Site
from factorgraph.graph.model import Application, Id, Variable, Written
from factorgraph.graph.shapes import Shapes
from factorgraph.graph.texts import shape_text, slot_words
from factorgraph.structure import Shape, ShapeError

MOST_IN_ONE = 10**9  # numbers in one tensor: 4 GB
MOST_IN_ALL = 4 * 10**9  # numbers in all parameters together
Owners = Mapping[str, tuple[Path, Mapping[str, Shape]]]  # by address of a function or factor: its path, its parameters' shapes
Use = tuple[Application, Shape, Shape]  # with what it reads and what it makes, seen forward
LONGEST_CHAIN = 12  # links of a chain that is shown; of longer ones, the last


def misfits(shapes: Shapes) -> list[Issue]:
    """Everything that does not fit; what is merely unknown is told unless it may follow from a shape that was refused."""
    found = [*_refusals(shapes), *_clashes(shapes), *_unequal_uses(shapes)]
    if not shapes.refused:
        found += _unknown(shapes)
    return list({(it.path, it.span, it.code): it for it in reversed(found)}.values())[::-1]


# --- clashes -------------------------------------------------------------------------------------------------------------------


def _clashes(shapes: Shapes) -> Iterator[Issue]:
    told: set[tuple[Path, tuple[int, int] | None]] = set()
    for site in shapes.draft.sites:
        known = [(value_id, shapes.of[value_id]) for value_id in site.members if value_id in shapes.of]
        sized = [(value_id, shape) for value_id, shape in known if shape != () or not _is_number(value_id, shapes)]
        other = next(((value_id, shape) for value_id, shape in sized[1:] if shape != sized[0][1]), None)
        if other is not None:
            it = _clash(site, sized[0][0], other[0], shapes)
            if (it.path, it.span) not in told:  # the same at each slot: once is enough
                told.add((it.path, it.span))
                yield it


def _is_number(value_id: Id, shapes: Shapes) -> bool:
    """Whether a value is the same for every sample: computed from numbers alone, it fits any shape."""
    waiting, values = [value_id], shapes.draft.values
    while waiting:
        value = values[waiting.pop()]
        if isinstance(value, Variable) and value.definition is None:
            return False
        waiting += value.arguments
    return True


def _clash(site: Site, one: Id, other: Id, shapes: Shapes) -> Issue:
    places = dict(zip(site.members, site.places, strict=True))
    values = shapes.draft.values
    is_computed = isinstance(values[one], Variable) or not isinstance(values[other], Variable)
    marked, against = (other, one) if is_computed else (one, other)
    at = f" at {slot_words(site.slots)}" if site.slots else ""
    first, second = shape_text(shapes.of[one]), shape_text(shapes.of[other])
    if site.verb.startswith("cannot"):
        message = f"{one} is {first} and {other} is {second}: they {site.verb}{at}"
    else:
        message = f"{one}, which is {first}, {site.verb} {other}, which is {second}{at}"
    place = places[marked]
    where = address(place.path[:-1] if isinstance(place.path[-1], int) else place.path)
    words = "compared with" if site.verb == "is compared with" else "put together with"
    note = f"{chain(marked, shapes)}; {words} {chain(against, shapes)} at {where}"
    fix = _mend(marked, against, shapes) if () not in (shapes.of[one], shapes.of[other]) else "give both one shape, such as [1]"
    return issue("FG320", message, place.path, span=place.span, notes=(note,), fix=fix)


def _mend(marked: Id, against: Id, shapes: Shapes) -> str:
    """Which size to change, where it stands in the spec."""
    value, shape = shapes.draft.values[shapes.draft.root(marked)], shapes.of[against]
    while isinstance(value, Application) and shapes.draft.nodes[value.function].chained:
        value = shapes.draft.values[value.arguments[0]]
    if isinstance(value, Application) and value.method == "forward":
        node = shapes.draft.nodes[value.function]
        if getattr(node.leaf, "units", None) is not None:
            return f"leave units out of function {node.spelled}, or make it {shape_text(shape)}"
        if getattr(node.leaf, "maps", None) is not None and shapes.of[value.id][1:] == shape[1:]:
            return f"leave maps out of function {node.spelled}, or make it {shape[0]}"
    return ""


def chain(value_id: Id, shapes: Shapes) -> str:
    """``Y [144] -> encoder: linear -> [256]``."""
    links: list[str] = []
    while True:
        value, shape = shapes.draft.values[value_id], shape_text(shapes.of.get(value_id))
        if isinstance(value, Application) and value.output is None:
            node = shapes.draft.nodes[value.function]
            method = "" if value.method == "forward" else f".{value.method}"
            links.append(f"{node.id}{method}: {node.leaf.type} -> {shape}")
            value_id = value.arguments[0]
        elif isinstance(value, Variable) and value.definition and shapes.of.get(value.definition) == shapes.of.get(value_id):
            links.append(value.id)
            value_id = value.definition
        else:
            lender = shapes.lent_by.get(value_id)
            taken = f" (as {lender})" if lender is not None and isinstance(value, Variable) else ""
            links.append(f"{value_id} {shape}{taken}")
            break
    shown = [*links[: LONGEST_CHAIN - 1], "..."] if len(links) > LONGEST_CHAIN else links
    return " -> ".join(reversed(shown))


# --- refusals ------------------------------------------------------------------------------------------------------------------


def _refusals(shapes: Shapes) -> Iterator[Issue]:
    for value_id, reason in shapes.refused.items():
        value = shapes.draft.values[value_id]
        given = ", ".join(chain(each, shapes) for each in value.arguments)
        if isinstance(value, Application):
            node = shapes.draft.nodes[value.function]
            message, slots = f"{node.spelled} {reason}", node.slots
            place = _blamed(node, value, reason)
        else:
            message, slots, place = f"{value_id} {reason}", {}, value.written
        at = f" at {slot_words(slots)}" if slots else ""
        yield issue("FG321", message + at, place.path, span=place.span, notes=(given,))


def _blamed(node: Node, value: Application, error: ShapeError) -> Written:
    """Where a function that takes no such shape is told of it: at its option that is to blame, or where it is applied."""
    return Written((*node.written.path, *error.path), error.span) if error.path else value.written


def _unequal_uses(shapes: Shapes) -> Iterator[Issue]:
    """A function with parameters of one shape cannot serve two."""
    for node in shapes.draft.nodes.values():
        first: tuple[object, Use] | None = None
        for value in shapes.applications(node):
            ends = _ends(value, shapes)
            if ends is None:
                continue
            try:
                parameters = node.leaf.parameters(*ends)
            except ShapeError as error:
                place = _blamed(node, value, error)
                yield issue("FG321", f"{node.spelled} {error}", place.path, span=place.span)
                break
            if first is None:
                first = (parameters, (value, *ends))
            elif parameters != first[0]:
                yield _two_shapes(node, first[1], (value, *ends))
                break


def _two_shapes(node: Node, first: Use, second: Use) -> Issue:
    value = second[0]
    notes = tuple(f"{use.id}: {shape_text(given)} -> {shape_text(result)}" for use, given, result in (first, second))
    message = f"{node.spelled} is applied to different shapes, and its parameters fit only one"
    fix = "declare a second function; or, if an index tells them apart, give it a per"
    return issue("FG323", message, value.written.path, span=value.written.span, notes=notes, fix=fix)


def _ends(value: Application, shapes: Shapes) -> tuple[Shape, Shape] | None:
    """The shapes that an application maps between, seen forward."""
    if value.method not in ("forward", "transpose") or len(value.arguments) != 1:
        return None
    given, result = shapes.of.get(value.arguments[0]), shapes.of.get(value.id)
    if given is None or result is None:
        return None
    return (given, result) if value.method == "forward" else (result, given)


# --- what is not known ---------------------------------------------------------------------------------------------------------


def _unknown(shapes: Shapes) -> Iterator[Issue]:
    """One issue for each size that is missing: not for what merely follows from it."""
    told: set[str] = set()
    rest: list[Id] = []
    for value_id, value in shapes.draft.values.items():
        if value_id in shapes.of:
            continue
        if isinstance(value, Variable) and value.definition is None:
            if value.name not in told:
                told.add(value.name)
                yield _shapeless(value)
        elif isinstance(value, Application) and all(each in shapes.of for each in value.arguments):
            node = shapes.draft.nodes[value.function]
            if node.spelled not in told:
                told.add(node.spelled)
                yield _sizeless(value, node, shapes)
        else:
            rest.append(value_id)
    if rest and not told:
        value = shapes.draft.values[rest[0]]
        message = f"the shape of {rest[0]} follows from nothing: the functions around it only hand sizes to each other"
        fix = "write one of their sizes (units), or the shape of a variable among them"
        yield issue("FG322", message, value.written.path, span=value.written.span, fix=fix)


def _shapeless(variable: Variable) -> Issue:
    message = f"the shape of {variable.name} is not written, and nothing that it is compared with has one"
    fix = f"write it: variables.{variable.name}.shape"
    return issue("FG322", message, variable.written.path, fix=fix)


def _sizeless(value: Application, node: Node, shapes: Shapes) -> Issue:
    what = "the result of" if value.method == "forward" else "the input of"
    message = f"the size of {what} {node.spelled} is not known: nothing that {value.id} is compared with has one"
    option = next((each for each in ("units", "maps", "layers") if each in type(node.leaf).model_fields), "units")
    fix = f"write it where the function is declared: functions.{node.spelled}.{option}; or the shape of what it is compared with"
    return issue("FG322", message, value.written.path, span=value.written.span, notes=(chain(value.id, shapes),), fix=fix)


# --- bounds --------------------------------------------------------------------------------------------------------------------


def too_large(owners: Owners, variables: Iterable[Variable]) -> Iterator[Issue]:
    """Tensors that nobody can mean."""
    total = 0
    for name, (path, parameters) in owners.items():
        for local, shape in parameters.items():
            count = math.prod(shape)
            total += count
            if count > MOST_IN_ONE:
                message = f"{name}.{local} would have {_times(shape)} = {count:,} numbers; {MOST_IN_ONE:,} is the most"
                yield issue("FG327", message, path, fix="make one of the sides smaller")
    if total > MOST_IN_ALL:
        message = f"the parameters together would have {total:,} numbers; {MOST_IN_ALL:,} is the most"
        yield issue("FG327", message, ("functions",), fix="make the largest of them smaller")
    for variable in variables:
        if math.prod(variable.shape) > MOST_IN_ONE:
            numbers = f"{_times(variable.shape)} = {math.prod(variable.shape):,}"
            message = f"one sample of {variable.name} would have {numbers} numbers; {MOST_IN_ONE:,} is the most"
            yield issue("FG327", message, variable.written.path)


def _times(shape: Shape) -> str:
    return " x ".join(f"{each:,}" for each in shape) or "1"
