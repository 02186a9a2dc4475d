"""Steps of FISTA with a restart for each row, in Triton: a program moves some rows, and all of its memory stays on the chip.

The Gram matrix lies in shared memory in bf16, codes in registers in float32; units come first, so that the matrix is the left
side of a product whose right side are the codes of a few rows. No step touches the memory of the device. A row that is not finite
stays so and disturbs no other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import triton
import triton.language as tl

from factorgraph.kernels.fista import ROWS

if TYPE_CHECKING:
    from torch import Tensor

WARPS = 8


@triton.jit  # type: ignore[untyped-decorator]
def _steps(  # type: ignore[no-untyped-def]
    code, point, age, slope,  # (batch, UNITS), (batch, UNITS), (batch,), (batch, UNITS): the first three are written over
    gram, weight, length, momenta,  # (WIDTH, WIDTH) in bf16, or so rounded, (WIDTH,), (), (LONGEST,)
    batch, count,
    UNITS: tl.constexpr, WIDTH: tl.constexpr, ROWS: tl.constexpr, LONGEST: tl.constexpr, NONNEGATIVE: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    unit = tl.arange(0, WIDTH)
    place = row[None, :] * UNITS + unit[:, None]
    there = (row < batch)[None, :] & (unit < UNITS)[:, None]
    hessian = tl.load(gram + unit[:, None] * WIDTH + unit[None, :])
    t = tl.load(length)
    threshold = t * tl.load(weight + unit)[:, None]
    z = tl.load(code + place, mask=there, other=0.0)
    y = tl.load(point + place, mask=there, other=0.0)
    old = tl.load(age + row, mask=row < batch, other=0)
    first = y
    reached = y - t * tl.load(slope + place, mask=there, other=0.0)  # by a step of the smooth part from the first point
    for _ in range(count):
        away = y - first
        v = reached + away - t * tl.dot(hessian, away.to(tl.bfloat16).to(hessian.dtype))
        if NONNEGATIVE:
            after = tl.where(v <= threshold, 0.0, v - threshold)  # of what is no number it makes none
        else:
            after = v - tl.minimum(tl.maximum(v, -threshold), threshold)
        moved = after - z
        old = tl.where(tl.sum((y - after) * moved, 0) > 0, 0, old)  # momentum that carries uphill is dropped
        y = after + tl.load(momenta + old)[None, :] * moved
        z = after
        old = tl.minimum(old + 1, LONGEST - 1)
    tl.store(code + place, z, mask=there)
    tl.store(point + place, y, mask=there)
    tl.store(age + row, old, mask=row < batch)


def advance(
    z: Tensor,  # (batch, *shape), contiguous, as the next two
    y: Tensor,  # (batch, *shape)
    age: Tensor,  # (batch,) int64
    slope: Tensor,  # (batch, units): of the smooth part at y
    gram: Tensor,  # (width, width) in bf16, or so rounded; beyond the units zeros, as in the weights
    weight: Tensor,  # (width,)
    length: Tensor,  # ()
    momenta: Tensor,
    units: int,
    count: int,
    nonnegative: bool,
) -> None:
    """Take so many steps, in place."""
    grid = (triton.cdiv(len(z), ROWS),)
    _steps[grid](
        z, y, age, slope.contiguous(), gram, weight, length, momenta, len(z), count,
        UNITS=units, WIDTH=len(gram), ROWS=ROWS, LONGEST=len(momenta), NONNEGATIVE=nonnegative, num_warps=WARPS,
    )  # fmt: skip
