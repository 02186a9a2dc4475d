"""A search by FISTA with a restart for each row, in Triton: a program takes some rows to their certificates, all on the chip.

The Gram matrix lies in shared memory in bf16, codes in registers in float32; units come first, so that the matrix is the left
side of a product whose right side are the codes of a few rows. Between blocks of steps the gradient is computed in float32, and
each row is judged by it: no step touches the memory of the device, and nobody waits. A row that is not finite disturbs no other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import triton
import triton.language as tl

from factorgraph.kernels.fista import CHUNK, EVERY, ROWS

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.kernels.active_set import Ended

WARPS = 8
CONVERGED, OUT_OF_STEPS, NOT_FINITE = tl.constexpr(0), tl.constexpr(1), tl.constexpr(2)  # as in inference/problem.py
SMALLEST = tl.constexpr(1e-6)  # a code whose norm is below counts as one of this norm, as in inference/certificate.py
TINY = tl.constexpr(1.1754944e-38)


@triton.jit  # type: ignore[untyped-decorator]
def _shrunk(v, threshold, NONNEGATIVE: tl.constexpr):  # type: ignore[no-untyped-def]
    if NONNEGATIVE:
        return tl.where(v <= threshold, 0.0, v - threshold)  # of what is no number it makes none
    return v - tl.minimum(tl.maximum(v, -threshold), threshold)


@triton.jit
def _joined(a, b, c, d, e, f, g, h):  # type: ignore[no-untyped-def]
    """Three sums and a minimum of two parts: one pass over all units, where each by itself would wait for all threads."""
    return a + e, b + f, c + g, tl.minimum(d, h)


@triton.jit  # type: ignore[untyped-decorator]
def _certificate(  # type: ignore[no-untyped-def]
    z, slope, linear, constant, weight, is_unit, t, gapped, NONNEGATIVE: tl.constexpr
):  # fmt: skip
    """(ROWS,): the relative duality gap, or residual, of inference/certificate.py; of what is not finite no number."""
    if gapped:
        pull = -slope if NONNEGATIVE else tl.abs(slope)
        share = tl.where(is_unit & (pull > weight), weight / tl.where(pull > TINY, pull, TINY), 1.0)
        along, given, paid, s = tl.reduce((z * slope, z * linear, weight * tl.abs(z), share), 0, _joined)
        smooth = (along + given) / 2 + constant
        gap = (1 - s) * (1 - s) * smooth + s * along + paid
        seen = tl.where(gap < 0, 0.0, gap) / tl.where(smooth + paid > TINY, smooth + paid, TINY)
    else:
        moved = _shrunk(z - t * slope, t * weight, NONNEGATIVE) - z
        norm = tl.sqrt(tl.sum(z * z, 0))
        seen = tl.sqrt(tl.sum(moved * moved, 0)) / tl.where(norm > SMALLEST, norm, SMALLEST)
    return seen


@triton.jit  # type: ignore[untyped-decorator]
def _slope(  # type: ignore[no-untyped-def]
    z, linear, code, gram, row, unit, is_row, there,
    UNITS: tl.constexpr, WIDTH: tl.constexpr, CHUNK: tl.constexpr,
):  # fmt: skip
    """(WIDTH, ROWS): the gradient in float32. The code goes through memory, from where its parts can be read in turn."""
    tl.store(code + row[None, :] * UNITS + unit[:, None], z, mask=there)
    tl.debug_barrier()  # each thread reads what others wrote
    slope = linear
    for begin in tl.range(0, WIDTH, CHUNK, num_stages=2):
        some = begin + tl.arange(0, CHUNK)
        part = tl.load(gram + unit[:, None] * WIDTH + some[None, :])
        own = is_row[None, :] & (some < UNITS)[:, None]
        those = tl.load(code + row[None, :] * UNITS + some[:, None], mask=own, other=0.0)
        slope = tl.dot(part, those, slope, input_precision="tf32x3")
    tl.debug_barrier()
    return slope


@triton.jit  # type: ignore[untyped-decorator]
def _stepped(  # type: ignore[no-untyped-def]
    z, y, momentum, still, slope, downhill, t, threshold, count, NONNEGATIVE: tl.constexpr
):  # fmt: skip
    """So many steps of the rows that are ``still`` open; ``slope``: the gradient at z, ``momentum``: t_k of Beck & Teboulle."""
    first = z
    drop = t * slope
    y = tl.where(still, y, z)
    for _ in range(count):
        away = y - first
        v = tl.dot(downhill, away.to(tl.bfloat16).to(downhill.dtype), y - drop)
        after = tl.where(still, _shrunk(v, threshold, NONNEGATIVE), z)
        moved = after - z
        momentum = tl.where(tl.sum((y - after) * moved, 0) > 0, 1.0, momentum)  # what carries uphill is dropped
        following = (1 + tl.sqrt(1 + 4 * momentum * momentum)) / 2
        y = after + ((momentum - 1) / following)[None, :] * moved
        z = after
        momentum = following
    return z, y, momentum


@triton.jit  # type: ignore[untyped-decorator]
def _search(  # type: ignore[no-untyped-def]
    start, linear, constant, gram, rounded, weight, length,  # gram and rounded, to bf16: (WIDTH, WIDTH), weight: (WIDTH,)
    code, status, used, certificate,  # which are written: (batch, UNITS) and (batch,)
    batch, steps, tolerance,
    UNITS: tl.constexpr, WIDTH: tl.constexpr, ROWS: tl.constexpr, EVERY: tl.constexpr, CHUNK: tl.constexpr,
    SQUARES: tl.constexpr, NONNEGATIVE: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    unit = tl.arange(0, WIDTH)
    is_row, is_unit = row < batch, (unit < UNITS)[:, None]
    place, there = row[None, :] * UNITS + unit[:, None], is_row[None, :] & is_unit
    downhill = tl.load(rounded + unit[:, None] * WIDTH + unit[None, :])
    t, weights = tl.load(length), tl.load(weight + unit)
    gapped = SQUARES & (tl.min(tl.where(unit < UNITS, weights, 1.0), 0) > 0)  # a unit that costs nothing leaves no useful gap
    weights = weights[:, None]
    free = tl.load(constant + row, mask=is_row, other=0.0)
    z = tl.load(start + place, mask=there, other=0.0)
    y = z
    momentum = tl.full([ROWS], 1.0, tl.float32)
    found = tl.where(is_row, OUT_OF_STEPS, CONVERGED)
    last, sure = tl.zeros([ROWS], tl.int32), tl.full([ROWS], float("inf"), tl.float32)
    taken, going = 0, True
    while going:
        b = tl.load(linear + place, mask=there, other=0.0)
        slope = _slope(z, b, code, gram, row, unit, is_row, there, UNITS, WIDTH, CHUNK)
        seen = _certificate(z, slope, b, free, weights, is_unit, t, gapped, NONNEGATIVE)
        is_open, sound = found == OUT_OF_STEPS, tl.abs(seen) < float("inf")
        found = tl.where(is_open, tl.where(sound, tl.where(seen < tolerance, CONVERGED, OUT_OF_STEPS), NOT_FINITE), found)
        last = tl.where(is_open, tl.where(sound, taken, 0), last)
        sure = tl.where(is_open, tl.where(sound, seen, float("inf")), sure)
        still = found == OUT_OF_STEPS
        going = (taken < steps) & (tl.max(still.to(tl.int32), 0) > 0)
        if going:
            count = tl.minimum(steps - taken, EVERY)
            z, y, momentum = _stepped(z, y, momentum, still[None, :], slope, downhill, t, t * weights, count, NONNEGATIVE)
            taken += count
    began = tl.load(start + place, mask=there, other=0.0)
    began = tl.where(tl.abs(began) < float("inf"), began, 0.0)
    tl.store(code + place, tl.where((found == NOT_FINITE)[None, :], began, z), mask=there)
    tl.store(status + row, found.to(tl.int64), mask=is_row)
    tl.store(used + row, last.to(tl.int64), mask=is_row)
    tl.store(certificate + row, sure, mask=is_row)


def launch(
    start: Tensor,  # (batch, units), contiguous, as the next and the code
    linear: Tensor,  # (batch, units)
    constant: Tensor,  # (batch,)
    gram: Tensor,  # (width, width); beyond the units zeros, as in the weights
    rounded: Tensor,  # (width, width): minus a step's length times it, in bf16, or so rounded
    weight: Tensor,  # (width,)
    length: Tensor,  # ()
    squares: bool,
    nonnegative: bool,
    steps: int,
    tolerance: float,
    found: Ended,  # which is written over
) -> None:
    """Search for each row."""
    batch, units = start.shape
    _search[(triton.cdiv(batch, ROWS),)](
        start, linear, constant, gram, rounded, weight, length, found.code, found.status, found.steps, found.certificate,
        batch, steps, tolerance,
        UNITS=units, WIDTH=len(gram), ROWS=ROWS, EVERY=EVERY, CHUNK=min(CHUNK, len(gram)),
        SQUARES=squares, NONNEGATIVE=nonnegative, num_warps=WARPS,
    )  # fmt: skip
