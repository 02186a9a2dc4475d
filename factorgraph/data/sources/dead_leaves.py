"""Pictures of leaves that lie on each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, field_validator

from factorgraph.data import patches
from factorgraph.data.bounds import check_size
from factorgraph.data.model import Geometry, Request, SourceLeaf, Splits, Table, one_or_three
from factorgraph.data.order import generator
from factorgraph.lazy import np
from factorgraph.spec.constants import Count
from factorgraph.structure import Shape

if TYPE_CHECKING:
    from factorgraph.data.model import Array

USUAL = 20_000  # training patches
SCENES, HELD_OUT = 12, 2  # at most so many scenes to learn from, and held out
FROM_EACH = 8  # patches that are worth a scene more
SIDE, AT_LEAST = 160, 2  # pixels along a side of a scene, and how many patches of any size lie along it
SMALLEST, LARGEST = 3.0, 60.0  # half the length of a leaf, pixels
NARROWEST = 0.4  # its width over its length
LAYERS = 6.0  # leaves over each pixel, on average: one in 400 is left bare


class DeadLeaves(SourceLeaf):
    r"""Square patches of generated scenes: ellipses of any size, direction and grey that hide each other, slightly blurred.

    Half the length r of a leaf has a density as of :math:`r^{-3}` between 3 and 60 pixels: so a scene looks alike at every scale,
    and has edges, corners and the spectrum of photographs without their textures. At most twelve scenes are learned from, and two
    others held out; a patch lies anywhere in one.

    Fields:  image (size, size) or, in colour, (3, size, size).
    Units:   parts of the brightest white.
    Source:  Lee, Mumford & Huang, International Journal of Computer Vision 41, 2001, section 4, with ellipses for discs.
    """

    type: Literal["dead_leaves"] = "dead_leaves"
    size: Count = Field(12, description="pixels along a side of a patch")
    colors: Count = Field(1, description="1 for grey, 3 for red, green, blue")

    examples: ClassVar[tuple[Mapping[str, Any], ...]] = ({}, {"size": 9, "colors": 3})
    licence: ClassVar[str] = "generated; no rights"
    where: ClassVar[str] = "generated from the seed"

    _known_colors = field_validator("colors")(one_or_three)

    def fields(self) -> dict[str, Shape]:
        return {"image": self.geometry().shape}

    def geometry(self) -> Geometry:
        return Geometry("image", self.size, self.colors)

    @property
    def _side(self) -> int:
        return max(SIDE, AT_LEAST * self.size)

    def load(self, request: Request) -> Splits:
        count, held_out = request.sizes(USUAL)
        check_size(count + held_out, self.geometry().shape, "patches", ("data", "count"))
        train = self._table("train", SCENES, count, request.seed, 0)
        test = self._table("test", HELD_OUT, held_out, request.seed, SCENES)
        return Splits(train, test, {"division": "scenes of their own are held out"})

    def _table(self, split: str, scenes: int, count: int, seed: int, first: int) -> Table:
        side, worth = self._side, -(-count // FROM_EACH)
        blocks = [patches.Block(number, 0, 0, side, side) for number in range(min(scenes, worth))]
        places = patches.draw_places(blocks, self.size, count, seed, split)
        cut = patches.cut(places, self.size, self.colors, lambda number: self._scene(seed, split, number))
        return Table({"image": cut}, places[:, 0] + first)

    def _scene(self, seed: int, split: str, number: int) -> Array:
        """(side, side), or (3, side, side), float32: leaf after leaf is laid down."""
        random, side = generator(seed, "dead_leaves", split, number), self._side
        reach = side + 2 * LARGEST
        length = (SMALLEST**-2 + random.random(_leaves(reach)) * (LARGEST**-2 - SMALLEST**-2)) ** -0.5
        many = len(length)
        width = length * random.uniform(NARROWEST, 1, many)
        middles, angles = random.uniform(-LARGEST, side + LARGEST, (many, 2)), random.uniform(0, np.pi, many)
        greys = random.random((many, self.colors))
        low, high = np.ceil(middles - length[:, None]).clip(0), np.floor(middles + length[:, None] + 1).clip(max=side)
        scene = np.full((self.colors, side, side), 0.5)
        for leaf in np.flatnonzero((low < high).all(1)):
            box = tuple(map(slice, low[leaf].astype(int), high[leaf].astype(int)))
            _lay_down(scene, box, middles[leaf], length[leaf], width[leaf], angles[leaf], greys[leaf])
        blurred = _blurred(_blurred(scene, -1), -2).astype(np.float32)
        return blurred[0] if self.colors == 1 else blurred


def _leaves(reach: float) -> int:
    """How many leaves cover a square of a side as often as they should."""
    mean_square = 2 * np.log(LARGEST / SMALLEST) / (SMALLEST**-2 - LARGEST**-2)
    return int(LAYERS * reach**2 / (np.pi * mean_square * (1 + NARROWEST) / 2))


def _lay_down(
    scene: Array, box: tuple[slice, ...], middle: Array, length: float, width: float, angle: float, grey: Array
) -> None:
    """Paint one ellipse into a scene (colors, side, side), in place. ``box``: the rows and columns that it may reach."""
    down = np.arange(box[0].start, box[0].stop)[:, None] - middle[0]
    across = np.arange(box[1].start, box[1].stop) - middle[1]
    sine, cosine = np.sin(angle), np.cos(angle)
    inside = ((down * sine + across * cosine) / length) ** 2 + ((down * cosine - across * sine) / width) ** 2 <= 1
    for part, shade in zip(scene, grey, strict=True):
        part[box][inside] = shade


def _blurred(scene: Array, axis: int) -> Array:
    """Each pixel half itself and a quarter of either neighbour; at the border the pixel stands for its neighbour."""
    last = np.moveaxis(scene, axis, -1)
    wide = np.concatenate([last[..., :1], last, last[..., -1:]], axis=-1)
    found: Array = np.moveaxis((wide[..., :-2] + 2 * wide[..., 1:-1] + wide[..., 2:]) / 4, -1, axis)
    return found
