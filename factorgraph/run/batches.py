"""Rows a bounded number at a time, and how long a procedure takes for some."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from factorgraph.lazy import np, torch

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.compile.model import Model

ROWS_AT_ONCE = 1000  # bounds memory, not the result: rows are inferred each on its own


def as_tensor(array: Any) -> Tensor:
    return torch.as_tensor(np.ascontiguousarray(array))


def slices(rows: int) -> Iterator[slice]:
    for start in range(0, rows, ROWS_AT_ONCE):
        yield slice(start, start + ROWS_AT_ONCE)


def batches(arrays: Mapping[str, np.ndarray]) -> Iterator[dict[str, np.ndarray]]:
    rows = len(next(iter(arrays.values())))
    for part in slices(rows):
        yield {key: each[part] for key, each in arrays.items()}


def seconds(model: Model, procedure: str, batch: Mapping[str, Tensor]) -> float:
    on_gpu = any(each.is_cuda for each in batch.values())
    with torch.no_grad():
        given = model.with_noise(model.assign(batch))
        names = model.sequence(procedure, given)
        if on_gpu:
            torch.cuda.synchronize()
        start = time.perf_counter()
        model.run(names, given, model.inferences)
        if on_gpu:
            torch.cuda.synchronize()
    return time.perf_counter() - start
