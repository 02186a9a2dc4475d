"""The door to ``columns.cpp``: the columns of a matrix one after another, each to its best place for sums over data."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

from factorgraph.kernels.build import library
from factorgraph.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

NAME = "columns"


def sweep(matrix: Tensor, gram: Tensor, products: Tensor, bounds: Tensor, least: Tensor, largest: Tensor) -> Tensor | None:
    """The matrix after each column has moved once, (outputs, units), on a CPU; ``None`` where the kernel does not serve.

    All are float64. ``gram`` (units, units), symmetric, and ``products`` (outputs, units) tell the energy, whose gradient is
    matrix gram - products; ``bounds`` (units,) its curvature along each column; ``least`` and ``largest`` (units,) norms.
    """
    kernel = library(NAME)
    if kernel is None or matrix.device.type != "cpu":
        return None
    outputs, units = matrix.shape
    moved = matrix.T.clone(memory_format=torch.contiguous_format)
    given = [each.contiguous() for each in (gram, products.T, bounds, least, largest)]
    assert all(each.dtype == torch.float64 for each in (moved, *given)), "the kernel has one door"
    places = (ctypes.c_void_p(each.data_ptr()) for each in (*given, moved))
    done = kernel.columns(ctypes.c_int64(units), ctypes.c_int64(outputs), *places)
    return moved.T if done else None
