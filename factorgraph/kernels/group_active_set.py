"""The door to ``group_active_set.cpp``: codes of a batch that are sparse by groups, on the threads that torch has."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

from factorgraph.kernels.active_set import Ended
from factorgraph.kernels.build import library
from factorgraph.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

NAME = "group_active_set"
LOOSEST = 4  # times the units, the places of as many groups of the largest's size; more would be mostly empty


def search(
    hessian: Tensor,  # (units, units)
    linear: Tensor,  # (batch, units)
    constant: Tensor,  # (batch,)
    places: Tensor,  # (groups, members) int64: the units of each, beyond its last how many units there are; every unit in one
    weight: Tensor,  # (groups,), at least 0
    each: Tensor,  # (units,), at least 0; above 0 where the group's is not
    curvature: Tensor,  # (groups,), above 0: at least the largest eigenvalue of a group's part of the Hessian
    start: Tensor,  # (batch, units)
    nonnegative: bool,
    steps: int,
    tolerance: float,
) -> Ended | None:
    """The minimum of each row of ``z'Hz/2 + b'z + c + each.|z| + sum_g weight_g |z_g|``, on a CPU.

    ``None`` where the kernel does not serve, as for groups of very different sizes.
    """
    kernel = library(NAME)
    batch, units = start.shape
    if kernel is None or start.dtype not in (torch.float32, torch.float64) or places.numel() > LOOSEST * units:
        return None
    call = getattr(kernel, f"{NAME}_float" if start.dtype == torch.float32 else f"{NAME}_double")
    given = [one.to(start).contiguous() for one in (hessian, linear, constant, each, weight, curvature, start)]
    places = torch.where(places < units, places, -1).contiguous()
    found = Ended(
        start.new_empty(batch, units),
        torch.empty(batch, dtype=torch.int64),
        torch.empty(batch, dtype=torch.int64),
        start.new_empty(batch),
    )
    whole, number, place = ctypes.c_int64, ctypes.c_double, ctypes.c_void_p
    done = call(
        *(whole(count) for count in (batch, units, *places.shape)),
        *(place(one.data_ptr()) for one in (places, *given)),
        ctypes.c_int(nonnegative),
        number(tolerance),
        whole(steps),
        whole(torch.get_num_threads()),
        *(place(one.data_ptr()) for one in (found.code, found.certificate, found.status, found.steps)),
    )
    return found if done else None
