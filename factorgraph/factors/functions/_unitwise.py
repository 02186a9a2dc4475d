"""Functions that act on each unit by itself."""

from __future__ import annotations

from factorgraph.structure import Function, Shape


class UnitByUnit(Function):
    """A function whose result has the shape of its argument, each unit computed from the one in its place."""

    def output_shape(self, given: Shape, wanted: Shape | None) -> Shape | None:
        return given

    def input_shape(self, result: Shape) -> Shape | None:
        return result
