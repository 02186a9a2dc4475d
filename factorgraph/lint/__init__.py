"""The linter: what a spec may say and nobody would want. One file each, each with a warning that names a fix of one line.

A rule reads a :class:`~factorgraph.lint.reading.Reading` and yields warnings. It knows promises, never types: a new factor is
judged by what its class line says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from factorgraph.compile.plan import Plan
from factorgraph.errors import Issue
from factorgraph.graph.model import Graph
from factorgraph.lint import (
    corners,
    encoder_only,
    evaded,
    floorless,
    known,
    limited,
    matched,
    scale,
    silent,
    turns,
    unreached,
    volume,
)
from factorgraph.lint.explained import explained
from factorgraph.lint.reading import Reading
from factorgraph.lint.strategies import Strategy, strategies

__all__ = ["Strategy", "explained", "lint", "strategies_of"]

Rule = Callable[[Reading], Iterator[Issue]]
READ = (scale, volume, encoder_only, silent, turns, corners, evaded, limited, matched, unreached, known, floorless)
RULES: tuple[Rule, ...] = tuple(each.check for each in READ)


def lint(graph: Graph, plan: Plan) -> tuple[Issue, ...]:
    """Every warning about what a graph means, at its place in the spec's text."""
    reading = Reading(graph, plan)
    return tuple(graph.spec.document.locate(each) for rule in RULES for each in rule(reading))


def strategies_of(graph: Graph, plan: Plan) -> tuple[Strategy, ...]:
    """How learning keeps the energy from being low everywhere."""
    return strategies(Reading(graph, plan))
