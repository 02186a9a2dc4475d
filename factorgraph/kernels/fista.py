"""The door to ``fista_steps.py``: several steps of FISTA at once, on a CUDA device, by Triton, which comes with torch for CUDA.

Nothing depends on it, and it is taken only where it is asked for, until it has been measured: where it does not serve, the solver
takes the same steps in torch. ``TRITON_INTERPRET=1``, before Triton is loaded, runs it on a CPU, slowly: for tests.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from factorgraph.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

SWITCH = "FACTORGRAPH_FUSED"  # 1: it is taken where it serves
STEPS_OF: Mapping[str, Any] = {"type": "fista", "restart": True}  # the solver, with its options, whose steps it takes
LARGEST = 256  # units whose Gram matrix a multiprocessor holds: 128 KiB of bf16
ROWS = 32  # that are moved together
LONGEST = 1000  # steps of momentum without a restart that are told apart, as by the solver

State = tuple["Tensor", ...]


def is_wanted() -> bool:
    return os.environ.get(SWITCH) == "1"


def is_interpreted() -> bool:
    return os.environ.get("TRITON_INTERPRET") == "1"


def missing(device: str, units: int) -> str:
    """Why it does not serve on a kind of device, in words; empty where it does."""
    if units > LARGEST:
        return f"it holds at most {LARGEST} units, and these are {units}"
    if find_spec("triton") is None:
        return "there is no Triton, which comes with torch for CUDA"
    if is_interpreted():
        return ""
    if device != "cuda":
        return f"it is for cuda, not for {device}"
    if not torch.cuda.is_available():
        return "there is no CUDA device"
    held = torch.cuda.get_device_properties(torch.cuda.current_device())
    room = getattr(held, "shared_memory_per_block_optin", held.shared_memory_per_block)  # ROCm has the latter only
    needed = padded(units) * (2 * padded(units) + 4 * ROWS)  # the matrix, and one code of each row
    return "" if needed <= room else f"it needs {needed >> 10} KiB of a multiprocessor's memory, and there are {room >> 10}"


def padded(units: int) -> int:
    """The next power of two: matrix products of the device have no other sizes, and none below 16."""
    return max(16, 1 << (units - 1).bit_length())


def steps(
    gradient: Callable[[Tensor], Tensor],  # (batch, units) -> the same: of the smooth part
    hessian: Tensor,  # (units, units)
    weight: Tensor | None,  # of each unit's magnitude, (units,); none: nothing but the smooth part
    nonnegative: bool,
    length: Tensor,  # (), of a step
) -> Callable[[int, State], State] | None:
    """So many steps of the solver, from state to state, written over the one that is given; ``None`` where it does not serve.

    The state is the solver's: z, y (batch, *shape) and age (batch,). The first step is exact; by all that follow, the gradient is
    that of the first plus the Hessian times what y moved since, in bf16. Its error vanishes with that movement, so that what is
    approached is the minimum itself.
    """
    units = len(hessian)
    if hessian.dtype != torch.float32 or missing(hessian.device.type, units):
        return None
    from factorgraph.kernels.fista_steps import advance

    more = padded(units) - units
    gram = torch.nn.functional.pad(hessian, (0, more, 0, more)).to(torch.bfloat16)
    gram = gram.float() if is_interpreted() else gram  # Triton's interpreter multiplies the bits of bf16
    weights = torch.nn.functional.pad(hessian.new_zeros(units) if weight is None else weight.to(hessian), (0, more))
    momenta = torch.tensor(_momenta(), dtype=hessian.dtype, device=hessian.device)

    def several(count: int, state: State) -> State:
        z, y, age = state
        slope = gradient(y.view(len(y), units))
        advance(z, y, age, slope, gram, weights, length, momenta, units, count, weight is not None and nonnegative)
        return state

    return several


@cache
def _momenta() -> tuple[float, ...]:
    """(t_k - 1) / t_{k+1} by the number of steps since t was 1: Beck & Teboulle, SIAM J. Imaging Sci. 2(1), 2009, section 4."""
    t = [1.0]
    for _ in range(LONGEST):
        t.append((1 + (1 + 4 * t[-1] ** 2) ** 0.5) / 2)
    return tuple((now - 1) / following for now, following in pairwise(t))
