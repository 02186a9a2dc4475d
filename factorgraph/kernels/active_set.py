"""The door to ``active_set.cpp``: sparse codes of a batch, each by its own support, on the threads that torch has."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import TYPE_CHECKING

from factorgraph.kernels.build import library
from factorgraph.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

NAME = "active_set"


@dataclass(frozen=True)
class Ended:
    """What the kernel found; ``status`` by the numbers of ``inference/problem.py``."""

    code: Tensor  # (batch, units)
    status: Tensor  # (batch,) int64
    steps: Tensor  # (batch,) int64
    certificate: Tensor  # (batch,) relative duality gap


def search(
    hessian: Tensor,  # (units, units)
    linear: Tensor,  # (batch, units)
    constant: Tensor,  # (batch,)
    weight: Tensor,  # (units,), above 0
    start: Tensor,  # (batch, units)
    nonnegative: bool,
    steps: int,
    tolerance: float,
) -> Ended | None:
    """The minimum of each row of ``z'Hz/2 + b'z + c + w.|z|``, on a CPU; ``None`` where the kernel does not serve."""
    kernel = library(NAME)
    if kernel is None or start.dtype not in (torch.float32, torch.float64):
        return None
    call = getattr(kernel, "active_set_float" if start.dtype == torch.float32 else "active_set_double")
    given = [each.to(start).contiguous() for each in (hessian, linear, constant, weight, start)]
    batch, units = start.shape
    found = Ended(
        start.new_empty(batch, units),
        torch.empty(batch, dtype=torch.int64),
        torch.empty(batch, dtype=torch.int64),
        start.new_empty(batch),
    )
    whole, number, place = ctypes.c_int64, ctypes.c_double, ctypes.c_void_p
    done = call(
        whole(batch),
        whole(units),
        *(place(each.data_ptr()) for each in given),
        ctypes.c_int(nonnegative),
        number(tolerance),
        whole(steps),
        whole(torch.get_num_threads()),
        *(place(each.data_ptr()) for each in (found.code, found.certificate, found.status, found.steps)),
    )
    return found if done else None
