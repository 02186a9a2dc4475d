"""How material is divided, by its own split or by chance, so that nothing stands on both sides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factorgraph.data.model import Request
from factorgraph.data.order import order
from factorgraph.errors import DataError, issue
from factorgraph.lazy import np

if TYPE_CHECKING:
    from factorgraph.data.model import Array


def divide(rows: int, request: Request) -> tuple[Array, Array]:
    """Rows for training and rows held out, each in rising order. Raises DataError FG509 where there are too few.

    The rows that several requests withhold are one part of the material, from whose beginning each takes its own.
    """
    held_out, withheld = request.held_out(rows if request.count is None else request.count), request.withheld(rows)
    count = rows - withheld if request.count is None else request.count
    if count < 1 or count + withheld > rows:
        why = f"{max(count, 1)} training and {withheld} test samples are asked for, but there are {rows} in all"
        raise DataError(issue("FG509", why, ("data", "count" if request.count else "test"), fix="smaller count or test"))
    mixed = order(request.seed, "split", 0, rows)
    return np.sort(mixed[withheld : withheld + count]), np.sort(mixed[:held_out])


def own_split(request: Request, train: int, test: int) -> tuple[Array, Array]:
    """Rows of material that has a split of its own, in rising order: all of a side, or a choice by chance. DataError FG509."""
    chosen = _some(train, request.count, request.seed, "train")
    held_out = None if request.test is None else request.held_out(len(chosen))
    return chosen, _some(test, held_out, request.seed, "test")


def _some(rows: int, wanted: int | None, seed: int, split: str) -> Array:
    if wanted is None:
        return np.arange(rows)
    if wanted > rows:
        why = f"{wanted} samples are asked for to {split}, but there are {rows}"
        raise DataError(issue("FG509", why, ("data", "count" if split == "train" else "test"), fix=f"at most {rows}"))
    return np.sort(order(seed, f"first {split}", 0, rows)[:wanted])
