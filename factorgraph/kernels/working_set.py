"""The door to ``working_set.cpp``: sparse maps of a batch of pictures, each by a list of units that move."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

from factorgraph.kernels.active_set import Ended
from factorgraph.kernels.build import library
from factorgraph.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

NAME = "working_set"


def search(
    kernels: Tensor,  # (colours, maps, side, side)
    mask: Tensor,  # (1, colours, height, width), of zeros and ones, on all that kernels reach
    target: Tensor,  # (batch, colours, height, width)
    own: Tensor,  # ()
    linear: Tensor | None,  # (batch, units)
    constant: Tensor,  # (batch,)
    weight: Tensor,  # (maps,) or (units,), above 0
    start: Tensor,  # (batch, maps, rows, columns)
    nonnegative: bool,
    steps: int,
    tolerance: float,
) -> Ended | None:
    """The minimum of each row of ``|m (D z - y)|^2 / 2 + a |z|^2 / 2 + b.z + d + w.|z|``, on a CPU.

    ``None`` where the kernel does not serve. A unit at p draws from p on, on all that kernels reach.
    """
    kernel = library(NAME)
    if kernel is None or start.dtype not in (torch.float32, torch.float64):
        return None
    call = getattr(kernel, "working_set_float" if start.dtype == torch.float32 else "working_set_double")
    given = [each.to(start).contiguous() for each in (kernels, mask, target)]
    others = [each if each is None else each.to(start).contiguous() for each in (linear, constant, weight, start)]
    batch, maps, rows, columns = start.shape
    found = Ended(
        start.new_empty(start.shape),
        torch.empty(batch, dtype=torch.int64),
        torch.empty(batch, dtype=torch.int64),
        start.new_empty(batch),
    )
    whole, number = ctypes.c_int64, ctypes.c_double
    *before, began = [_place(each) for each in others]
    done = call(
        *(whole(each) for each in (batch, len(kernels), maps, kernels.shape[-1], rows, columns)),
        *(_place(each) for each in given),
        number(float(own)),
        *before,
        ctypes.c_int(len(weight) > maps),
        began,
        ctypes.c_int(nonnegative),
        number(tolerance),
        whole(steps),
        whole(torch.get_num_threads()),
        *(_place(each) for each in (found.code, found.certificate, found.status, found.steps)),
    )
    return found if done else None


def _place(values: Tensor | None) -> ctypes.c_void_p:
    return ctypes.c_void_p(None if values is None else values.data_ptr())
