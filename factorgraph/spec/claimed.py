"""What claims and figures refer to: metrics with their arguments, states, budgets, indices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from factorgraph.errors import Issue, Path
from factorgraph.registry import leaves, not_loaded
from factorgraph.spec.claims import ClaimExpression, Measure, free_indices
from factorgraph.spec.expressions import Call, Node, Number, Read, walk
from factorgraph.spec.language import TYPES, UNDECLARED
from factorgraph.spec.suggest import near
from factorgraph.spec.syntax import ExpressionError

if TYPE_CHECKING:
    from factorgraph.spec.blocks import Figure
    from factorgraph.spec.names import Names
    from factorgraph.spec.schema import Spec

START = "start"
SIZES = ("smoke", "laptop")
MATRICES = ("filter", "inhibition")  # of an unrolled procedure


def claim_issues(spec: Spec, names: Names) -> Iterator[Issue]:
    from factorgraph.spec.names import unknown

    for name, claim in spec.expect.items():
        path: Path = ("expect", name)
        for measure in claim.metric.measures():
            yield from _measure(measure, names, (*path, "metric"))
            yield from _measurable(measure, spec, (*path, "metric"))
        budgets = tuple(dict.fromkeys((*SIZES, *names.budgets)))
        if claim.budget not in budgets:
            yield unknown("budget", claim.budget, budgets, (*path, "budget"))
        if claim.control is not None and claim.control.split("[")[0] not in (START, *names.variants):
            yield unknown("variant", claim.control, (START, *names.variants), (*path, "control"))
        for key in ("rises_with", "falls_with"):
            index = getattr(claim, key)
            if index is None:
                continue
            if index not in names.indices:
                yield unknown("index", index, names.indices, (*path, key))
            elif index not in free_indices(claim.metric.root, spec.indices):
                what = f"nothing in the metric goes over {index}: there is no trend with it"
                yield Issue("FG666", what, (*path, key), fix=f"write a slot of it, as energy(net[{index}]) has one")
        for key in ("only", "without"):
            for number, factor in enumerate(getattr(claim, key) or ()):
                known = (*names.factors, *names.fragments)
                if factor.split("[")[0] not in known:
                    yield unknown("factor", factor.split("[")[0], known, (*path, key, number))
    for name, figure in spec.figures.items():
        yield from _figure(name, figure.first, spec, names)


def _measurable(measure: Measure, spec: Spec, path: Path) -> Iterator[Issue]:
    """Whether a measure is one number, and has only slots that are there."""
    if getattr(leaves("metrics").get(measure.metric), "per_unit", False):
        what = f"{measure.metric} gives a figure for each unit, where one number is needed"
        fix = f"write largest({measure.metric}(...)) or smallest({measure.metric}(...))"
        yield Issue("FG666", what, path, span=measure.name_span, fix=fix)
    for state in measure.states:
        if state.slot is not None and state.name in spec.learning and spec.learning[state.name].per is None:
            yield Issue("FG666", f"{state.name} has no slots", path, span=state.span, fix=f"write {state.name}")
    for each in measure.arguments:
        if not (isinstance(each, Read) and each.slot is not None and each.slot.index is None):
            continue
        name = ".".join(each.name)
        index = spec.inference[name].per if name in spec.inference else None
        count = spec.indices.get(index or "")
        if count is not None and not 0 <= each.slot.offset < count:
            what = f"there is no {name}[{each.slot.offset}]: {index} has {count} slots"
            yield Issue("FG666", what, path, span=each.slot.span, allowed=f"0 to {count - 1}, last, {index}")


def _figure(name: str, figure: Figure, spec: Spec, names: Names) -> Iterator[Issue]:
    from factorgraph.spec.names import unknown

    kind, by = figure.type, figure.by
    if kind in TYPES["figures"] and kind not in leaves("figures"):
        message = f"{kind} is in the language, but this version has no figure of that type yet"
        yield Issue("FG205", message, ("figures", name, "type"), notes=(f"waits for: figures {kind}",))
    elif kind not in leaves("figures"):
        meant = near(kind, (*leaves("figures"), *TYPES["figures"]))
        message = f'there is no figure of type "{kind}"' + (f'. Did you mean "{meant}"?' if meant else "")
        path, notes = ("figures", name, "type"), not_loaded("figures")
        yield Issue("FG204", message, path, allowed=", ".join(TYPES["figures"]), replacement=meant, notes=notes)
    if by is not None and by not in names.procedures:
        yield unknown("procedure", by, names.procedures, ("figures", name, "by"))
    leaf: Any = leaves("figures").get(kind)
    if getattr(leaf, "shows", "") == "claim":
        yield from _drawn_claims(figure, ("figures", name, "of"), spec, names)
    elif getattr(leaf, "shows", "") == "metric":
        yield from _drawn_metrics(figure, leaf.metric, ("figures", name, "of"), spec, names)
    elif getattr(leaf, "shows", "") == "units":
        yield from _drawn_units(figure, leaf.parts, ("figures", name, "of"), spec, names)
    elif getattr(leaf, "shows", "") == "value":
        yield from _drawn_value(figure, ("figures", name, "of"), names)
    elif getattr(leaf, "shows", "") == "observed":
        yield from _drawn_observed(figure, ("figures", name, "of"), spec, names)
    elif getattr(leaf, "shows", "") == "procedures":
        yield from _drawn_procedures(figure, ("figures", name, "of"), spec, names)


def _drawn_claims(figure: Figure, path: Path, spec: Spec, names: Names) -> Iterator[Issue]:
    """Metrics over the slots of one index, written as in claims."""
    indices: dict[str, None] = {}
    for number, written in enumerate(figure.of):
        where = (*path, number) if spec.document.has((*path, number)) else path
        try:
            metric = ClaimExpression.of(str(written))
        except ExpressionError as error:
            yield error.issue(where)
            return
        indices |= dict.fromkeys(free_indices(metric.root, spec.indices))
        for measure in metric.measures():
            yield from _measure(measure, names, where)
    if len(indices) != 1:
        what = f"{' and '.join(indices)}, which cannot both be across" if indices else "no index that could be across"
        fix = f"write a slot of one index, as code_error(lista[{next(iter(indices or spec.indices), 'k')}], optimal) has it"
        yield Issue("FG415", f"a figure of claims is drawn over one index, and this one has {what}", path, fix=fix)


def _drawn_metrics(figure: Figure, metric: str, path: Path, spec: Spec, names: Names) -> Iterator[Issue]:
    """One metric, of any states and arguments, written as in claims."""
    for number, written in enumerate(map(str, figure.of)):
        where = (*path, number) if spec.document.has((*path, number)) else path
        try:
            root = ClaimExpression.of(written).root
        except ExpressionError as error:
            yield error.issue(where)
            continue
        if isinstance(root, Measure) and root.metric == metric:
            yield from _measure(root, names, where)
            yield from _measurable(root, spec, where)
        else:
            leaf: Any = leaves("metrics")[metric]
            wanted = ", ".join(leaf.arguments)
            what = f'a {figure.type} is of {metric}, as in a claim, and not of "{written}"'
            yield Issue("FG427", what, where, fix=f"write {metric}({wanted})")


def _drawn_value(figure: Figure, path: Path, names: Names) -> Iterator[Issue]:
    """One value, of functions that there are."""
    from factorgraph.spec.names import unknown

    if len(figure.of) != 1:
        what = f"a {figure.type} is of one value, and {len(figure.of)} are named"
        yield Issue("FG667", what, path, fix="make a figure for each")
    for written in figure.of:
        root = getattr(written, "root", None)
        known = (*names.functions, *UNDECLARED)
        if isinstance(root, Call) and ".".join(root.name) not in known and root.name[0] not in names.unread:
            yield unknown("function", ".".join(root.name), names.functions, path)


def _drawn_observed(figure: Figure, path: Path, spec: Spec, names: Names) -> Iterator[Issue]:
    """One observed variable."""
    observed = [key for key, each in spec.variables.items() if each.first.kind == "observed"]
    written = [str(each) for each in figure.of]
    unread = all(each in names.variables and each not in spec.variables for each in written)  # told there
    if len(written) != 1 or (written[0] not in observed and not unread and written[0].split(".")[0] not in names.unread):
        what = f"a {figure.type} is of one observed variable, and not of {' and '.join(written) or 'nothing'}"
        yield Issue("FG427", what, path, allowed=", ".join(observed))


def _drawn_procedures(figure: Figure, path: Path, spec: Spec, names: Names) -> Iterator[Issue]:
    """Procedures that sum on a grid."""
    solvers = {key: getattr(each.first, "solver", None) for key, each in spec.inference.items()}
    grids = [key for key, each in solvers.items() if getattr(each, "type", "") == "grid"]
    for number, written in enumerate(map(str, figure.of)):
        where = (*path, number) if spec.document.has((*path, number)) else path
        unread = written in names.procedures and written not in solvers  # what is wrong with it is told there
        if written not in grids and not unread and written.split(".")[0] not in names.unread:
            what = f'a {figure.type} is of procedures that sum on a grid, and "{written}" is none'
            fix = "" if grids else "a procedure with method: marginal, of the variable in the plane, and solver: grid"
            yield Issue("FG427", what, where, allowed=", ".join(grids), fix=fix)


def _drawn_units(figure: Figure, parts: tuple[str, ...], path: Path, spec: Spec, names: Names) -> Iterator[Issue]:
    """Metrics per unit, written as in claims, and functions by their names, as ``parts`` asks for them."""
    known: Mapping[str, Any] = leaves("metrics")
    units = tuple(each for each in known if getattr(known[each], "per_unit", False))
    if not sum(not each.endswith("?") for each in parts) <= len(figure.of) <= len(parts):
        wanted = ", ".join(parts).replace("metric", "a metric per unit").replace("function", "a function")
        yield Issue("FG427", f"a {figure.type} is of {len(parts)} things, and {len(figure.of)} are named", path, allowed=wanted)
    for number, (part, written) in enumerate(zip(parts, map(str, figure.of), strict=False)):
        where = (*path, number) if spec.document.has((*path, number)) else path
        if part == "function":
            if written not in names.functions:
                what = f'a {figure.type} shows the filters of a function, and "{written}" is none'
                yield Issue("FG427", what, where, allowed=", ".join(names.functions))
            continue
        try:
            root = ClaimExpression.of(written).root
        except ExpressionError as error:
            yield error.issue(where)
            continue
        if isinstance(root, Measure):
            yield from _measure(root, names, where)
        if not isinstance(root, Measure) or (root.metric in known and root.metric not in units):
            yield Issue("FG427", f'"{written}" is not a figure of each unit', where, allowed=", ".join(units))


def _measure(measure: Measure, names: Names, path: Path) -> Iterator[Issue]:
    from factorgraph.spec.names import unknown

    states = (START, *names.variants, *names.phases)
    for state in measure.states:
        if state.name not in states:
            span = (state.span[0], state.span[0] + len(state.name))
            yield unknown("variant or phase", state.name, states, path, span)
    yield from _metric(measure.metric, measure.name_span, measure.arguments, names, path)


def _metric(metric: str, span: tuple[int, int], arguments: tuple[Node, ...], names: Names, path: Path) -> Iterator[Issue]:
    known: Mapping[str, Any] = leaves("metrics")
    if metric not in known:
        if metric in TYPES["metrics"]:
            message = f"{metric} is in the language, but this version has no metric of that type yet"
            yield Issue("FG205", message, path, span=span, notes=(f"waits for: metrics {metric}",))
            return
        meant = near(metric, tuple(known)) or near(metric, TYPES["metrics"])
        message = f'there is no metric of type "{metric}"' + (f'. Did you mean "{meant}"?' if meant else "")
        notes = not_loaded("metrics")
        yield Issue("FG204", message, path, span=span, allowed=", ".join(known), replacement=meant, notes=notes)
        return
    kinds = getattr(known[metric], "arguments", ())
    if len(kinds) != len(arguments):
        wanted = ", ".join(kinds) or "nothing"
        message = f"{metric} is given {len(arguments)} arguments and takes {len(kinds)}: {wanted}"
        fix = _without_procedure(names) if "procedure" in kinds else ""
        yield Issue("FG215", message, path, span=span, allowed=wanted, fix=fix or f"write {metric}({', '.join(kinds)})")
        return
    for kind, argument in zip(kinds, arguments, strict=True):
        yield from _argument(kind, argument, names, path)


def _argument(kind: str, node: Node, names: Names, path: Path) -> Iterator[Issue]:
    from factorgraph.spec.names import unknown

    known = {"procedure": names.procedures, "factor": names.factors, "function": names.functions, "phase": names.phases}.get(kind)
    if known is not None:
        told = _without_procedure(names) if kind == "procedure" else ""
        if not isinstance(node, Read):
            what = f"{'a number' if isinstance(node, Number) else 'what is computed'} is no {kind}: here stands the name of one"
            fix = told or (f"name one, such as {known[0]}" if known else f"the spec has no {kind}")
            yield Issue("FG215", what, path, span=node.span, allowed=", ".join(known), fix=fix)
            return
        name = ".".join(node.name)
        if name.split(".")[0] in names.unread:
            return
        matrix = kind == "function" and ".".join(node.name[:-1]) in names.procedures
        if name not in known and not matrix:
            found = unknown(kind, name, known, path, node.name_span)
            yield replace(found, fix=told or found.fix)
        if matrix and node.name[-1] not in MATRICES:
            yield unknown("matrix", node.name[-1], MATRICES, path, node.name_span)
    elif kind == "identity":
        if not (isinstance(node, Read) and node.name == ("identity",)):
            message = "of the rows of a matrix the identity is taken: row_norm(recurrent.inhibition, identity)"
            yield Issue("FG215", message, path, span=node.span, allowed="identity")
    elif kind == "units":
        if isinstance(node, Call):
            yield from _metric(".".join(node.name), node.name_span, node.arguments, names, path)
        else:
            message = "a figure per unit is a metric of units: largest(anisotropy(decoder))"
            yield Issue("FG215", message, path, span=node.span)
    elif kind == "value":
        yield from _value(node, names, path)


def _without_procedure(names: Names) -> str:
    """What can be claimed of a spec that infers nothing: the values of its factors."""
    if names.procedures or not names.factors:
        return ""
    return f"nothing is inferred here, so claim a factor: {' or '.join(f'value({each})' for each in names.factors[:3])}"


def _value(node: Node, names: Names, path: Path) -> Iterator[Issue]:
    from factorgraph.spec.names import unknown

    for each in walk(node):
        if isinstance(each, Read) and each.name[0] not in names.unread:
            known = (*names.variables, *names.dims)
            if not any(".".join(each.name[:length]) in known for length in range(1, len(each.name) + 1)):
                yield unknown("variable", ".".join(each.name), known, path, each.name_span)
