"""Points on a curve in the plane."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import ConfigDict, Field

from factorgraph.data.bounds import check_size
from factorgraph.data.model import Request, SourceLeaf, Splits, Table
from factorgraph.data.order import generator
from factorgraph.errors import DataError, issue
from factorgraph.lazy import np
from factorgraph.spec.constants import NonNegative, Positive, Share
from factorgraph.structure import Shape

if TYPE_CHECKING:
    from factorgraph.data.model import Array

USUAL = 2000  # training points
SEGMENTS = 4096  # of the polyline that distances are measured to: within 1e-5 of the spiral
POINTS_AT_ONCE = 512
TRIES = 100  # batches of background points before it is said that there is no background


class Curve(SourceLeaf):
    r"""Points on a spiral or a parabola: data on a thin line, around which an energy must rise.

    Spiral, :math:`u` uniform from ``from`` to 1, :math:`t_{max} = 2 \pi\, turns`:

    .. math:: t = t_{max} \sqrt u, \qquad y = \tfrac{t}{t_{max}} (\cos t, \sin t)

    Parabola: :math:`y_1 = 2u - 1,\ y_2 = y_1^2`. ``jitter`` is the deviation of normal noise on both coordinates.

    Fields:  point (2,).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    type: Literal["curve"] = "curve"
    shape: Literal["spiral", "parabola"] = Field("spiral", description="spiral or parabola")
    turns: Positive = Field(2.0, description="of the spiral")
    start: Share = Field(0.0, alias="from", description="where on the curve to begin, 0 to 1")
    jitter: NonNegative = Field(0.0, description="standard deviation of the noise on both coordinates")
    box: Positive = Field(1.0, description="the background is drawn from -box to box")
    gap: NonNegative = Field(0.08, description="the background keeps this distance from the curve")

    licence: ClassVar[str] = "generated; no rights"
    where: ClassVar[str] = "generated from the seed"

    def fields(self) -> dict[str, Shape]:
        return {"point": (2,)}

    def load(self, request: Request) -> Splits:
        count, held_out = request.sizes(USUAL)
        check_size(count + held_out, (2,), "points", ("data", "count"), bytes_each=8)
        groups = np.arange(count + held_out)
        train = Table({"point": self._draw(count, request.seed, "train")}, groups[:count])
        test = Table({"point": self._draw(held_out, request.seed, "test")}, groups[count:])
        return Splits(train, test, {"division": "training and test points are drawn independently"})

    def _draw(self, rows: int, seed: int, split: str) -> Array:
        random = generator(seed, "curve", split)
        points = self.at(self.start + (1 - self.start) * random.random(rows))
        drawn: Array = (points + self.jitter * random.standard_normal(points.shape)).astype(np.float32)
        return drawn

    def at(self, u: Array) -> Array:
        """The curve at ``u``, 0 to 1: (rows,) -> (rows, 2)."""
        if self.shape == "parabola":
            return np.stack([2 * u - 1, (2 * u - 1) ** 2], axis=1)
        radius = np.sqrt(u)
        angle = 2 * np.pi * self.turns * radius
        return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)

    def distance(self, points: Array) -> Array:
        """How far points (rows, 2) are from the curve: (rows,), within 1e-5."""
        line = self._line()
        return _in_parts(points, lambda some: _to_segments(some, line))

    def place(self, points: Array) -> Array:
        """Where along the curve points (rows, 2) are nearest to it, from 0, its beginning, to 1 by its length: (rows,)."""
        line = self._line()
        along = np.concatenate([[0.0], np.hypot(*np.diff(line, axis=0).T).cumsum()])
        found: Array = along[_in_parts(points, lambda some: _nearest(some, line))] / along[-1]
        return found

    def _line(self) -> Array:
        """The curve as a polyline: (corners, 2)."""
        even = np.linspace(np.sqrt(self.start), 1, SEGMENTS + 1) ** 2 if self.shape == "spiral" else None
        return self.at(np.linspace(self.start, 1, SEGMENTS + 1) if even is None else even)

    def background(self, count: int, seed: int) -> Array:
        """``count`` points (count, 2) float32, uniform in the box where it is farther than the gap from the curve. FG509."""
        check_size(count, (2,), "background points", ("data", "count"), bytes_each=8)
        far: list[Any] = []
        have = 0
        for number in range(TRIES):
            tried = self.box * (2 * generator(seed, "curve", "background", number).random((max(count, 256), 2)) - 1)
            far.append(tried[self.distance(tried) > self.gap])
            have += len(far[-1])
            if have >= count:
                points: Array = np.concatenate(far)[:count].astype(np.float32)
                return points
        why = f"the box of {self.box:g} has (almost) no room farther than {self.gap:g} from the curve"
        raise DataError(issue("FG509", why, ("data", "gap"), fix="a smaller gap or a larger box"))


def _in_parts(points: Array, found: Callable[[Array], Array]) -> Array:
    """What is found for some points at a time: (points, 2) -> (points,)."""
    points = np.asarray(points, dtype=np.float64)
    parts = [found(points[start : start + POINTS_AT_ONCE]) for start in range(0, len(points), POINTS_AT_ONCE)]
    return np.concatenate(parts) if parts else np.empty(0)


def _nearest(points: Array, line: Array) -> Array:
    """The number of the corner of the line that is nearest: (points, 2) -> (points,)."""
    found: Array = ((line**2).sum(axis=1) - 2 * points @ line.T).argmin(axis=1)  # of |p - q|^2, without what is common
    return found


def _to_segments(points: Array, line: Array) -> Array:
    """Distance from each point to the line: to the two segments that meet at its nearest corner. (points, 2) -> (points,)"""
    nearest = _nearest(points, line)
    first, second = (_to_segment(points, line, np.clip(nearest - back, 0, len(line) - 2)) for back in (0, 1))
    found: Array = np.minimum(first, second)
    return found


def _to_segment(points: Array, line: Array, number: Array) -> Array:
    """Distance from each point to its own segment: (points, 2), (points,) -> (points,)."""
    off, step = points - line[number], line[number + 1] - line[number]
    length = (step**2).sum(axis=1)
    share = np.clip((off * step).sum(axis=1) / np.where(length > 0, length, 1.0), 0, 1)
    found: Array = np.hypot(*(off - share[:, None] * step).T)
    return found
