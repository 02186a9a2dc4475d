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

if TYPE_CHECKING:
    from numpy import ndarray


def check_values(graph: Graph, plan: Plan, data: Mapping[str, ndarray]) -> Iterator[Issue]:
    """Warnings of :func:`uncovered` and :func:`beyond`. Raises DataError FG562."""
    if grey := list(no_bits(graph, plan, data)):
        raise DataError(graph.spec.document.located(grey))
    yield from uncovered(graph, plan, data)
    yield from beyond(graph, plan, data)


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


def no_bits(graph: Graph, plan: Plan, data: Mapping[str, ndarray]) -> Iterator[Issue]:
    """FG562 at losses that flip units of which some values of the data are neither 0 nor 1."""
    for each in shaped(graph, {}, plan.phases):
        flipped = {one.name for one in each.observed if one.domain == "binary"} if "flips" in each.loss.needs() else set[str]()
        for name in sorted(flipped & data.keys()):
            grey = float(((data[name] != 0) & (data[name] != 1)).mean())
            if grey:
                what = f"{each.loss.type} flips the units of {name} between 0 and 1, and {grey:.3g} of its values are neither"
                yield issue("FG562", what, ("variables", name), fix="prepare: [binarise]")
