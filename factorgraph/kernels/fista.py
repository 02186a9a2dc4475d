"""The door to ``fista_search.py``: a whole search by FISTA on a CUDA device, by Triton, which comes with torch for CUDA.

Nothing depends on it: where it does not serve, the solver takes its steps in torch. ``TRITON_INTERPRET=1``, before Triton is
loaded, runs it on a CPU, slowly: for tests.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from factorgraph.kernels.active_set import Ended
from factorgraph.kernels.build import SWITCH
from factorgraph.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

STEPS_OF: Mapping[str, Any] = {"type": "fista", "restart": True}  # the solver, with its options, in whose place it searches
LARGEST = 256  # units whose Gram matrix a multiprocessor holds: 128 KiB of bf16
ROWS = 32  # that are searched together
MOST_STEPS = 2**31 - 1
EVERY = 16  # steps between two looks at the certificate
OLDEST = (8, 0)  # capability: the first with products of bf16
CHUNK = 32  # columns of the Gram matrix in float32 that are at hand in such a look

_failed: list[str] = []  # why Triton did not compile or launch it in this process


def is_interpreted() -> bool:
    return os.environ.get("TRITON_INTERPRET") == "1"


def missing(device: str, units: int) -> str:
    """Why it does not serve on a kind of device, in words; empty where it does."""
    if os.environ.get(SWITCH) == "0":
        return f"{SWITCH} is 0"
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
    if torch.version.hip is not None or torch.cuda.get_device_capability() < OLDEST:
        return "it is for NVIDIA's devices of capability {}.{} or newer".format(*OLDEST)
    if _failed:
        return _failed[0]
    held = torch.cuda.get_device_properties(torch.cuda.current_device())
    room = getattr(held, "shared_memory_per_block_optin", held.shared_memory_per_block)
    needed = padded(units) * (2 * padded(units) + 4 * (ROWS + CHUNK))  # the matrix, codes of each row, and what is at hand
    return "" if needed <= room else f"it needs {needed >> 10} KiB of a multiprocessor's memory, and there are {room >> 10}"


def padded(units: int) -> int:
    """The next power of two: matrix products of the device have no other sizes, and none below 16."""
    return max(16, 1 << (units - 1).bit_length())


def search(
    hessian: Tensor,  # (units, units)
    linear: Tensor,  # (batch, units)
    constant: Tensor,  # (batch,)
    weight: Tensor | None,  # of each unit's magnitude, (units,); none: nothing but the squares
    start: Tensor,  # (batch, units)
    length: Tensor,  # (), of a step
    squares: bool,  # whether z'Hz/2 + b'z + c is a sum of squares: then positive weights give a duality gap
    nonnegative: bool,
    steps: int,
    tolerance: float,
) -> Ended | None:
    """The minimum of each row of ``z'Hz/2 + b'z + c + w.|z|``; ``None`` where the kernel does not serve. The host never waits.

    Each row stops where its certificate, computed in float32 at the start and every ``EVERY`` steps, is below the tolerance; one
    that is not finite any more goes back to the start. Between two looks the
    gradient is that of the first code plus the Hessian times what moved since, in bf16. Its error vanishes with that movement, so
    that what is approached is the minimum itself.
    """
    units, batch = len(hessian), len(start)
    if hessian.dtype != torch.float32 or start.dtype != torch.float32:
        return None
    with torch.cuda.device(start.device) if start.is_cuda else nullcontext():
        if missing(hessian.device.type, units):
            return None
        found = Ended(
            torch.empty_like(start, memory_format=torch.contiguous_format),
            torch.empty(batch, dtype=torch.int64, device=start.device),
            torch.empty(batch, dtype=torch.int64, device=start.device),
            start.new_empty(batch),
        )
        more = padded(units) - units
        gram = torch.nn.functional.pad(hessian, (0, more, 0, more)) if more else hessian.contiguous()
        rounded = (-length * gram).to(torch.bfloat16)
        rounded = rounded.float() if is_interpreted() else rounded  # Triton's interpreter multiplies the bits of bf16
        weights = hessian.new_zeros(units + more) if weight is None else torch.nn.functional.pad(weight.to(hessian), (0, more))
        given = [each.contiguous() for each in (start, linear, constant.expand(batch))] + [gram, rounded, weights, length]
        return found if _launched(given, squares, nonnegative, min(steps, MOST_STEPS), tolerance, found) else None


def _launched(given: Sequence[Tensor], squares: bool, nonnegative: bool, steps: int, tolerance: float, found: Ended) -> bool:
    """Whether it could be: Triton compiles it at its first use, for which it needs a C compiler and Python's headers."""
    from factorgraph.kernels.fista_search import launch

    begin, linear, constant, gram, rounded, weights, length = given
    try:
        launch(begin, linear, constant, gram, rounded, weights, length, squares, nonnegative, steps, tolerance, found)
    except Exception as error:  # Triton's have no name in common
        if is_interpreted() or torch.cuda.is_current_stream_capturing():
            raise
        _failed.append(f"Triton did not compile or launch it: {(str(error).splitlines() or [type(error).__name__])[0]}")
        return False
    return True
