"""Square patches of pictures: where they may lie, so that no pixel is on two sides, and how they are cut out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from factorgraph.data.order import generator, order
from factorgraph.errors import DataError, issue
from factorgraph.lazy import np

if TYPE_CHECKING:
    from factorgraph.data.model import Array

WHOLE_IMAGES = 10  # from so many on, whole images are held out; with fewer, blocks of each
WIDEST_BLOCK, BLOCK_IN_PATCHES = 64, (4, 3, 2)  # pixels; patches side by side, tried in this order
ENOUGH_BLOCKS = 10  # so that a tenth is one of them
MOST_SHARE_ORDERED = 0.5  # of all places: above it they are put in order, below it they are drawn


@dataclass(frozen=True)
class Block:
    """A rectangle of one image: rows ``top`` to ``bottom``, columns ``left`` to ``right``, the ends exclusive."""

    image: int
    top: int
    left: int
    bottom: int
    right: int

    def places(self, size: int) -> int:
        """At how many places a patch fits."""
        return max(0, self.bottom - self.top - size + 1) * max(0, self.right - self.left - size + 1)


@dataclass(frozen=True)
class Division:
    """Blocks to learn from and blocks held out, and the rule in words."""

    train: tuple[Block, ...]
    test: tuple[Block, ...]
    rule: str


def divide(sizes: Sequence[tuple[int, int]], patch: int, share: float, seed: int) -> Division:
    """Hold out about ``share`` of the material: whole images where there are many, else blocks of each. FG509."""
    whole = [Block(i, 0, 0, height, width) for i, (height, width) in enumerate(sizes)]
    if share == 0:
        return Division(tuple(whole), (), "nothing is held out")
    if len(sizes) >= WHOLE_IMAGES:
        mixed = order(seed, "split images", 0, len(sizes))
        many = min(max(1, round(share * len(sizes))), len(sizes) - 1)
        held_out = set(mixed[:many].tolist())
        rule = f"{many} of {len(sizes)} images are held out"
        return Division(*_sides(whole, held_out), rule)
    blocks, edge = _blocks(sizes, patch)
    held_out = _held_out(blocks, share, seed)
    rule = f"{len(held_out)} of {len(blocks)} blocks of about {edge} x {edge} pixels are held out; a patch lies within one block"
    return Division(*_sides(blocks, held_out), rule)


def _sides(blocks: Sequence[Block], held_out: set[int]) -> tuple[tuple[Block, ...], tuple[Block, ...]]:
    train = tuple(block for i, block in enumerate(blocks) if i not in held_out)
    return train, tuple(block for i, block in enumerate(blocks) if i in held_out)


def _blocks(sizes: Sequence[tuple[int, int]], patch: int) -> tuple[list[Block], int]:
    """The images cut into a grid: the largest blocks of which there are enough, or else the largest of which there are two."""
    edges = (max(WIDEST_BLOCK, BLOCK_IN_PATCHES[0] * patch), *(many * patch for many in BLOCK_IN_PATCHES), patch)
    grids = {edge: [block for i, size in enumerate(sizes) for block in _grid(i, *size, edge)] for edge in edges}
    enough = [e for e in edges[:-1] if len(grids[e]) >= ENOUGH_BLOCKS] or [each for each in edges if len(grids[each]) > 1]
    if not enough:
        why = f"one image of {sizes[0][1]} x {sizes[0][0]} pixels cannot be divided: both sides need a patch of {patch} x {patch}"
        raise DataError(issue("FG509", why, ("data", "size"), fix="a smaller size, more images, or test: 0"))
    return grids[enough[0]], enough[0]


def _grid(image: int, height: int, width: int, edge: int) -> list[Block]:
    rows = [height * i // max(1, height // edge) for i in range(max(1, height // edge) + 1)]
    columns = [width * i // max(1, width // edge) for i in range(max(1, width // edge) + 1)]
    return [Block(image, top, left, bottom, right) for top, bottom in pairwise(rows) for left, right in pairwise(columns)]


def _held_out(blocks: Sequence[Block], share: float, seed: int) -> set[int]:
    """The same share of each image's blocks, at least one block in all, and never all of them."""
    mixed = [int(i) for i in order(seed, "split blocks", 0, len(blocks))]
    chosen: list[int] = []
    for image in sorted({block.image for block in blocks}):
        own = [i for i in mixed if blocks[i].image == image]
        chosen += own[: round(share * len(own))]
    chosen = chosen or mixed[:1]
    return set(chosen[: len(blocks) - 1])


def draw_places(blocks: Sequence[Block], patch: int, count: int, seed: int, purpose: str) -> Array:
    """``count`` different places of patches within the blocks: (count, 4) of block, image, top, left. FG509."""
    many = np.asarray([block.places(patch) for block in blocks], dtype=np.int64)
    total = int(many.sum())
    if count > total:
        why = f"{count} different patches of {patch} x {patch} are asked for to {purpose}, but the images hold {total}"
        raise DataError(issue("FG509", why, ("data", "count"), fix="a smaller count, or more images"))
    if count == 0:
        return np.zeros((0, 4), dtype=np.int64)
    many_of_all = count > MOST_SHARE_ORDERED * total
    chosen = order(seed, f"{purpose} places", 0, total)[:count] if many_of_all else _drawn(total, count, seed, purpose)
    ends = np.cumsum(many)
    block = np.searchsorted(ends, chosen, side="right")
    within = chosen - (ends - many)[block]
    lefts, tops = (np.asarray([getattr(each, name) for each in blocks]) for name in ("left", "top"))
    across = np.asarray([each.right - each.left - patch + 1 for each in blocks])[block]
    images = np.asarray([each.image for each in blocks])[block]
    places: Array = np.stack([block, images, tops[block] + within // across, lefts[block] + within % across], axis=1)
    return places


def _drawn(total: int, count: int, seed: int, purpose: str) -> Array:
    """``count`` different numbers below ``total`` in the order in which they were drawn."""
    drawn = np.zeros(0, dtype=np.int64)
    random = generator(seed, f"{purpose} places").bit_generator
    while len(drawn) < count:
        more = np.asarray(random.random_raw(2 * count), dtype=np.uint64) % np.uint64(total)
        drawn = np.concatenate([drawn, more.astype(np.int64)])
        drawn = drawn[np.sort(np.unique(drawn, return_index=True)[1])]
    return drawn[:count]


def cut(places: Array, patch: int, colors: int, picture: Callable[[int], Array]) -> Array:
    """The patches at the places, (places, size, size) or (places, colors, size, size) float32; one picture is held at a time."""
    shape = (patch, patch) if colors == 1 else (colors, patch, patch)
    found = np.empty((len(places), *shape), dtype=np.float32)
    for image in np.unique(places[:, 1]):
        own = np.flatnonzero(places[:, 1] == image)
        windows = np.lib.stride_tricks.sliding_window_view(picture(int(image)), (patch, patch), axis=(-2, -1))
        found[own] = at(windows, places[own, 2], places[own, 3])
    return found


def at(windows: Array, tops: Array, lefts: Array) -> Array:
    """Of windows (..., rows, columns, size, size) those at the given corners: (corners, ..., size, size)."""
    found: Array = windows[tops, lefts] if windows.ndim == 4 else windows[:, tops, lefts].transpose(1, 0, 2, 3)
    return found
