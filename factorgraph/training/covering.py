"""Whether the values of data are what losses take them for: known once they are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf, isinf
from typing import TYPE_CHECKING

from factorgraph.compile.noise import distribution
from factorgraph.compile.plan import Plan
from factorgraph.compile.shaping import shaped
from factorgraph.errors import DataError, Issue, address, issue
from factorgraph.graph.model import Graph
from factorgraph.inference.domains import CONTINUOUS
from factorgraph.structure import Square

if TYPE_CHECKING:
    from numpy import ndarray


def check_values(graph: Graph, plan: Plan, data: Mapping[str, ndarray]) -> Iterator[Issue]:
    """Warnings of :func:`uncovered`, :func:`beyond` and :func:`too_wide`. Raises DataError FG562."""
    if grey := list(no_bits(graph, plan, data)):
        raise DataError(graph.spec.document.located(grey))
    yield from uncovered(graph, plan, data)
    yield from beyond(graph, plan, data)
    yield from too_wide(graph, plan, data)


def uncovered(graph: Graph, plan: Plan, data: Mapping[str, ndarray]) -> Iterator[Issue]:
    """FGW267 at losses that tell data from noise which is never where some of the data are. ``data``: by variable, rows first."""
    for each in shaped(graph, {}, plan.phases):
        for name in each.loss.stand_ins() if "density" in each.loss.needs() else ():
            noise = graph.slots_of(name)[0]
            target = graph.variables[noise.stands_for].name if noise.stands_for is not None else ""
            kind, low, high = distribution(noise)
            if kind == "uniform" and target in data:
                rows = data[target].reshape(len(data[target]), -1)
                outside = float(((rows < low) | (rows > high)).any(1).mean())
                if outside:
                    what = f"{outside:.3g} of the rows of {target} are not between {low:g} and {high:g}, where {name} is"
                    at = address(("variables", name, "distribution"))
                    fix = f"{at}: {{type: uniform, low: {rows.min():.3g}, high: {rows.max():.3g}}}"
                    yield issue("FGW267", f"{what}: they teach nothing", (*each.path, "noise"), fix=fix)


def beyond(graph: Graph, plan: Plan, data: Mapping[str, ndarray]) -> Iterator[Issue]:
    """FGW268 at sums over observed variables on a grid that ends where some of the data are."""
    found: dict[tuple[str, str], Issue] = {}
    for procedures in (plan.procedures, *plan.changed.values()):
        for each in procedures.values():
            high = float((each.solver or {}).get("range", inf))  # of a grid
            for variable in (graph.variables[key] for key in each.block if key not in each.closed):
                if isinf(high) or variable.domain not in CONTINUOUS or variable.kind != "observed" or variable.name not in data:
                    continue
                rows = data[variable.name].reshape(len(data[variable.name]), -1)
                low = 0.0 if variable.domain == "nonnegative" else -high
                if outside := float(((rows < low) | (rows > high)).any(1).mean()):
                    what = f"{outside:.3g} of the rows of {variable.name} are not between {low:g} and {high:g}, where"
                    what += f' "{each.name}" sums: their energy falls without end, for they are no part of the sum'
                    fix = f"inference.{each.name}.solver.range: {1.1 * abs(rows).max():.3g}"
                    found[each.name, variable.name] = issue("FGW268", what, ("inference", each.name), fix=fix)
    yield from found.values()


def too_wide(graph: Graph, plan: Plan, data: Mapping[str, ndarray]) -> Iterator[Issue]:
    """FGW269 at margins above the energy that data have if all of them are reconstructed by their mean."""
    for each in shaped(graph, {}, plan.phases):
        margin = each.loss.ceiling()
        compared = [_compared(graph, key) for key in each.factors] if margin is not None else []
        if margin is None or not compared or not all(name in data for name in compared):
            continue
        spread = sum(graph.factors[key].weight * _variance(data[name]) for key, name in zip(each.factors, compared, strict=True))
        if margin > spread > 0:
            what = f"the margin is {margin:g}, and data that are reconstructed by their mean have an energy of {spread:.3g}"
            why = "samples on the data are pushed up as well, without end"
            fix = f"{address((*each.path, 'margin'))}: {spread / 5:.1g}"
            yield issue("FGW269", f"{what}: {why}", (*each.path, "margin"), fix=fix)


def _compared(graph: Graph, factor: str) -> str:
    """The observed variable that a square compares with something else; none, if it is no such factor."""
    node = graph.factors[factor]
    known = [value.name for key in node.arguments if (value := graph.variables.get(key)) is not None and value.kind == "observed"]
    is_square = isinstance(node.leaf, Square) and node.leaf.keeps(Square, frozenset(range(len(node.arguments))))
    return known[0] if is_square and len(known) == 1 and len(node.arguments) == 2 else ""


def _variance(rows: ndarray) -> float:
    """Of all units together."""
    return float(rows.reshape(len(rows), -1).var(0).sum())


def no_bits(graph: Graph, plan: Plan, data: Mapping[str, ndarray]) -> Iterator[Issue]:
    """FG562 at losses that flip units of which some values of the data are neither 0 nor 1."""
    for each in shaped(graph, {}, plan.phases):
        flipped = {one.name for one in each.observed if one.domain == "binary"} if "flips" in each.loss.needs() else set[str]()
        for name in sorted(flipped & data.keys()):
            grey = float(((data[name] != 0) & (data[name] != 1)).mean())
            if grey:
                what = f"{each.loss.type} flips the units of {name} between 0 and 1, and {grey:.3g} of its values are neither"
                yield issue("FG562", what, ("variables", name), fix="prepare: [binarise]")
