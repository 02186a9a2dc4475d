"""Functions that the package does not ship yet, and a short way from a text to its graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal

import pytest

from factorgraph.graph.model import Graph
from factorgraph.graph.resolve import resolve
from factorgraph.registry import leaves
from factorgraph.spec.load import loads
from factorgraph.structure import Differentiable, Function, Parameters, Shape, ShapeError


class WhatWhere(Function, Differentiable):
    """Keeps half of the units as what, the other half as where."""

    type: Literal["what_where"] = "what_where"
    outputs: ClassVar[tuple[str, ...]] = ("what", "where")
    methods: ClassVar[tuple[str, ...]] = ("unpool",)

    def output_shape(self, given: Shape, wanted: Shape | None) -> Shape | None:
        if given[0] % 2:
            raise ShapeError(f"halves an even number of units, not {given[0]}")
        return given

    def part_shape(self, output: str, result: Shape) -> Shape:
        return (result[0] // 2,)

    def method_shape(self, method: str, given: tuple[Shape | None, ...]) -> Shape | None:
        return None if given[0] is None else (2 * given[0][0],)

    def forward(self, x: object, parameters: Parameters) -> object:  # type: ignore[override]
        return x


class Crop(Function, Differentiable):
    """Drops the last unit: a function without parameters that changes shapes."""

    type: Literal["crop"] = "crop"

    def output_shape(self, given: Shape, wanted: Shape | None) -> Shape | None:
        return (given[0] - 1, *given[1:])

    def forward(self, x: object, parameters: Parameters) -> object:  # type: ignore[override]
        return x


class State(Function, Differentiable):
    """A recurrent cell: (inputs, state) to state, kept apart; its state has so many units whatever comes in."""

    type: Literal["lstm"] = "lstm"
    units: int = 7
    joins: ClassVar[bool] = False

    def output_shape(self, given: Shape, wanted: Shape | None) -> Shape | None:
        return (self.units,)

    def method_shape(self, method: str, given: tuple[Shape | None, ...]) -> Shape | None:
        return (self.units,)

    def forward(self, x: object, parameters: Parameters) -> object:  # type: ignore[override]
        return x


EXTRA = {"what_where": WhatWhere, "crop": Crop, "lstm": State}


@pytest.fixture
def graph_of() -> Callable[[str], Graph]:
    """From a spec without its first line to its graph."""
    return lambda text: resolve(loads("factorgraph: 1\n" + text))


@pytest.fixture
def more_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Functions with several outputs, with arguments apart, and without parameters, as if they were shipped."""
    known = leaves("functions")
    monkeypatch.setattr(known, "_own", known._own | EXTRA.keys())
    monkeypatch.setattr(known, "_found", {**known._found, **EXTRA})
