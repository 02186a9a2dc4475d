"""Which maps are linked to which, where not all are."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import TYPE_CHECKING

from factorgraph.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor


@cache
def links(many: int, few: int, each: int) -> tuple[tuple[int, ...], ...]:
    """For each of ``many`` maps the ``each`` different ones, of ``few``, that it is linked to.

    The same whenever it is asked, so that an encoder and the decoder that leads back agree. Every ``few`` maps in a row share
    out their links evenly, at distances of their own.
    """
    found = []
    for number in range(many):
        turn, place = divmod(number, few)
        found.append(tuple(sorted((place + far) % few for far in (0, *_distances(turn, few, each - 1)))))
    return tuple(found)


def _distances(turn: int, few: int, count: int) -> list[int]:
    """Different numbers below ``few``, as a draw of lots would give them; of one alone, each in its turn."""
    if count == 1:
        return [1 + turn % (few - 1)]
    return sorted(range(1, few), key=lambda far: hashlib.sha256(f"{turn} {far}".encode()).digest())[:count]


def link_mask(outputs: int, inputs: int, each: int, like: Tensor) -> Tensor:
    """(outputs, inputs): 1 where two maps are linked, 0 elsewhere. Each map of the larger side has ``each`` links."""
    many, few = max(outputs, inputs), min(outputs, inputs)
    mask = torch.nn.functional.one_hot(torch.tensor(links(many, few, each)), few).sum(1).to(like)
    return mask if outputs >= inputs else mask.T
