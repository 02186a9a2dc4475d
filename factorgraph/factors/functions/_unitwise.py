"""Functions whose result has the shape of their argument."""

from __future__ import annotations

from factorgraph.structure import Function, Shape


class SameShape(Function):
    """A function whose result has the shape of its argument."""

    def output_shape(self, given: Shape, wanted: Shape | None) -> Shape | None:
        return given

    def input_shape(self, result: Shape) -> Shape | None:
        return result


class UnitByUnit(SameShape):
    """A function that computes each unit from the one in its place and from no other."""
