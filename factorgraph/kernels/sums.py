"""The door to ``sums.cpp``: second moments of sparse codes, by what of each is not 0."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

from factorgraph.kernels.build import library
from factorgraph.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

NAME = "sums"


def moments(x: Tensor, weight: Tensor, y: Tensor) -> tuple[Tensor, Tensor] | None:
    """Sums of ``w x x'`` (units, units) and ``w y x'`` (outputs, units), for x (rows, units), w (rows,), y (rows, outputs).

    ``None`` where the kernel does not serve: not on a CPU, or where more than an eighth of x is not 0.
    """
    kernel = library(NAME)
    if kernel is None or x.device.type != "cpu" or x.dtype not in (torch.float32, torch.float64):
        return None
    call = kernel.sums_float if x.dtype == torch.float32 else kernel.sums_double
    assert len(x) == len(weight) == len(y), "the kernel reads as many rows of each"
    rows, units, outputs = *x.shape, y.shape[1]
    given = [each.to(x).contiguous() for each in (x, y, weight)]
    found = x.new_zeros(units, units), x.new_zeros(units, outputs)
    places = (ctypes.c_void_p(each.data_ptr()) for each in (*given, *found))
    done = call(ctypes.c_int64(rows), ctypes.c_int64(units), ctypes.c_int64(outputs), *places)
    return (found[0], found[1].T) if done else None
