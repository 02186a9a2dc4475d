"""Functions whose result has the shape of their argument."""

from __future__ import annotations

from pydantic import Field

from factorgraph.structure import Function, Shape, ShapeError


class SameShape(Function):
    """A function whose result has the shape of its argument."""

    def output_shape(self, given: Shape, wanted: Shape | None) -> Shape | None:
        return given

    def input_shape(self, result: Shape) -> Shape | None:
        return result


class UnitByUnit(SameShape):
    """A function that computes each unit from the one in its place and from no other."""


class LearnsByUnit(UnitByUnit):
    """A function unit by unit that learns numbers of each unit's own, or of each map's."""

    per_map: bool = Field(default=False, description="learns one number for each map of [maps, height, width], not for each unit")

    def learned_shape(self, result: Shape) -> Shape:
        """The shape of what is learned, which broadcasts to that of the result."""
        if not self.per_map:
            return result
        if len(result) not in (2, 3):
            raise ShapeError(f"learns one number for each map, and {list(result)} has no maps", ("per_map",))
        return (*result[:-2], 1, 1)
