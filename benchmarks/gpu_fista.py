"""A search by the fused kernel of FISTA, on a CUDA device: does it agree with a CPU, does it wait for the device, how fast is it?

Sparse codes of 256 units for signals of 144 numbers, by a model's procedure, against plain FISTA in torch on the same device: its
recursion with a restart for each signal, the Gram matrix, its norm and the linear terms for nothing, and as few steps as reach
the target, without a look at any gap. Both reach the same worst duality gap, in double precision. One command, minutes:

    python -m benchmarks.gpu_fista [--sizes 10000 65536 262144] [--sweep]

It ends with 1 where energies or gaps are not those that they must be, or a search waits for the device.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import product

import torch
from torch import Tensor

import factorgraph as fg
from benchmarks.harness import table
from factorgraph import compile as compiler
from factorgraph.kernels import fista

SPEC = """
factorgraph: 1
variables: {{Y: {{kind: observed, shape: 144}}, Z: {{kind: latent, shape: {units}}}}}
functions: {{decoder: {{type: linear, bias: false}}}}
factors:
  reconstruction: {{type: squared_distance, between: [Y, decoder(Z)], weight: 0.5}}
  sparsity:       {{type: l1, of: Z, weight: {weight}}}
inference:
  codes: {{method: argmin, of: Z, solver: fista, steps: 2000, tolerance: {tolerance}}}
"""
UNITS, INPUTS, ACTIVE, WEIGHT = 256, 144, 12, 0.1
SIZES, GAPS, REPEATS = (10_000, 65_536, 262_144), (1e-3, 1e-5), 5
STEPS = (20, 30, 40, 60, 80, 120, 160, 240, 320, 480, 640, 960, 1280, 1920)
KINDS = {"apart": 0.0, "alike": 0.6}  # how much of each atom is the one before
AGREED = 1e-5  # relative, of energies
WANTED = 3.0
TRIED = ((32, 8, 16, 32), (32, 8, 16, 16), (32, 8, 10, 32), (32, 8, 24, 32), (16, 8, 16, 32), (16, 4, 16, 32), (32, 16, 16, 32))


def drawn(count: int, alike: float, device: str) -> tuple[Tensor, Tensor]:
    """Atoms of unit norm (units, inputs), and signals (count, inputs) that a few of them make, with noise."""
    source = torch.Generator().manual_seed(0)
    d = torch.randn(UNITS, INPUTS, generator=source)
    for unit in range(1, UNITS):
        d[unit] = alike * d[unit - 1] + (1 - alike**2) ** 0.5 * d[unit]
    d = (d / d.norm(dim=1, keepdim=True)).to(device)
    own = torch.Generator(device).manual_seed(1)
    active = torch.rand(count, UNITS, generator=own, device=device) < ACTIVE / UNITS
    y = (torch.randn(count, UNITS, generator=own, device=device) * active) @ d
    y = y + 0.05 * torch.randn(count, INPUTS, generator=own, device=device)
    return d, y / y.norm(dim=1, keepdim=True)


def model(d: Tensor, tolerance: float, fused: bool) -> fg.Model:
    """By the kernel, or by the solver's own steps on the same device."""
    spec = fg.loads(SPEC.format(units=UNITS, weight=WEIGHT, tolerance=tolerance))
    plan = compiler.plan(spec, device="cuda")
    assert plan.procedures["codes"].kernel == "fused", "it serves"
    if not fused:
        plan = replace(plan, procedures={key: replace(each, kernel="gram") for key, each in plan.procedures.items()})
    made = compiler.build(spec, plan).to(d.device).requires_grad_(False)
    made.get_parameter("functions.decoder.matrix").copy_(d.T)
    return made


def coded(made: fg.Model, y: Tensor) -> Tensor:
    return made.inferences["codes"](made.assign({"Y": y}), made.tensors()).values["Z"]


def plain(d: Tensor, y: Tensor) -> Callable[[int], Tensor]:
    gram, drive = d @ d.T, y @ d.T
    bound = float(torch.linalg.eigvalsh(gram.double())[-1]) * 1.0001

    def run(steps: int) -> Tensor:
        z = point = torch.zeros_like(drive)
        t = torch.ones_like(drive[:, :1])
        for _ in range(steps):
            after = torch.nn.functional.softshrink(point - (point @ gram - drive) / bound, WEIGHT / bound)
            moved = after - z
            t = torch.where(((point - after) * moved).sum(1, keepdim=True) > 0, 1.0, t)
            following = (1 + (1 + 4 * t * t).sqrt()) / 2
            z, point, t = after, after + (t - 1) / following * moved, following
        return z

    return run


def measures(d: Tensor, y: Tensor, z: Tensor) -> tuple[Tensor, float]:
    """The energy of each code, and the worst relative duality gap, in double precision."""
    energies, worst = [], 0.0
    for signals, codes in zip(y.split(16_384), z.split(16_384), strict=True):
        x, code, atoms = signals.double(), codes.double(), d.double()
        rest = x - code @ atoms
        s = (WEIGHT / (rest @ atoms.T).abs().amax(1).clamp_min(1e-30)).clamp_max(1)
        energy = rest.square().sum(1) / 2 + WEIGHT * code.abs().sum(1)
        gap = (energy - s * (rest * x).sum(1) + s**2 * rest.square().sum(1) / 2) / energy
        energies.append(energy)
        worst = max(worst, float(gap.max()))
    return torch.cat(energies), worst


def seconds(run: Callable[[], object], device: str) -> float:
    """The median of several, after one."""
    found = []
    for _ in range(REPEATS + 1):
        _wait(device)
        begin = time.perf_counter()
        run()
        _wait(device)
        found.append(time.perf_counter() - begin)
    return statistics.median(found[1:])


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def agrees(device: str, count: int) -> bool:
    """Whether codes have the energies of those that a CPU finds, without the kernel."""
    d, y = drawn(count, KINDS["alike"], "cpu")
    here, _ = measures(d, y, coded(model(d, AGREED, fused=False), y))
    there, worst = measures(d, y, coded(model(d.to(device), AGREED, fused=True), y.to(device)).cpu())
    apart = float(((there - here) / here).abs().max())
    print(f"energies of {count} codes, {device} against cpu: {apart:.1e} apart, at most {AGREED:g}; worst gap {worst:.1e}")
    return apart <= AGREED


def waits(device: str) -> bool:
    """Whether a search waits for the device."""
    d, y = drawn(1000, 0.0, device)
    found = model(d, AGREED, fused=True)
    coded(found, y)  # the first loads it
    if device == "cuda":
        torch.cuda.set_sync_debug_mode("error")
    try:
        coded(found, y)
    except RuntimeError as error:
        print(f"a search waits for the device: {error}")
        return True
    finally:
        if device == "cuda":
            torch.cuda.set_sync_debug_mode("default")
    print("a search does not wait for the device")
    return False


def compared(device: str, sizes: Sequence[int]) -> tuple[list[dict[str, str]], bool]:
    """A row for each case, and whether all gaps are below their targets."""
    rows, certified = [], True
    for kind, count, target in product(KINDS, sizes, GAPS):
        d, y = drawn(count, KINDS[kind], device)
        ours, unfused, rival = model(d, target, fused=True), model(d, target, fused=False), plain(d, y)
        reached = measures(d, y, coded(ours, y))[1]
        certified &= reached <= 1.1 * target  # the certificate is one of single precision
        enough = next((steps for steps in STEPS if measures(d, y, rival(steps))[1] <= target), None)
        fused, own = (seconds(partial(coded, each, y), device) for each in (ours, unfused))
        row = {"atoms": kind, "signals": str(count), "worst gap": f"{target:g}", "reached": f"{reached:.1e}"}
        row |= {"fused, ms": f"{fused * 1e3:.2f}", "fista, ms": f"{own * 1e3:.2f}", "fista / fused": f"{own / fused:.2f}"}
        row |= {"plain, ms": "not reached", "plain / fused": ""}
        if enough is not None:
            other = seconds(partial(rival, enough), device)
            row |= {"plain, ms": f"{other * 1e3:.2f}, {enough} steps", "plain / fused": f"{other / fused:.2f}"}
        rows.append(row)
    return rows, certified


def swept(count: int) -> list[dict[str, str]]:
    """Milliseconds of the search alone, by other numbers of rows, warps, steps and columns: what the constants should be."""
    from factorgraph.kernels import fista_search

    rows = []
    for kind, target in product(KINDS, GAPS):
        d, y = drawn(count, KINDS[kind], "cuda")
        gram, linear = d @ d.T, -y @ d.T
        length = 0.999 / torch.linalg.eigvalsh(gram.double())[-1].float()
        begin, weight, free = torch.zeros_like(linear), d.new_full((UNITS,), WEIGHT), y.square().sum(1) / 2
        for held, warps, every, chunk in TRIED:
            fista_search.ROWS, fista_search.WARPS, fista_search.EVERY, fista_search.CHUNK = held, warps, every, chunk
            run = partial(fista.search, gram, linear, free, weight, begin, length, True, False, 2000, target)
            found = run()
            assert found is not None, "it serves"
            about = {"atoms": kind, "gap": f"{target:g}", "rows": str(held), "warps": str(warps), "every": str(every)}
            steps = f"{found.steps.float().mean():.0f}, {found.steps.max()}"
            rows.append(about | {"columns": str(chunk), "steps": steps, "ms": f"{seconds(run, 'cuda') * 1e3:.3f}"})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--sweep", action="store_true", help="other constants of the kernel, too")
    parser.add_argument("--checks", action="store_true", help="what needs no time: agreement and waiting")
    told = parser.parse_args()
    device = "cpu" if fista.is_interpreted() else "cuda"
    if lacks := fista.missing(device, UNITS):
        print(f"nothing is measured: {lacks}")
        return
    if device == "cuda":
        print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}")
    right = agrees(device, 2000 if device == "cuda" else 8) and not waits(device)
    if not told.checks:
        rows, certified = compared(device, told.sizes)
        print(f"\n{table(rows)}\n\nwanted: plain / fused at least {WANTED:g}, at a worst gap of both")
        right &= certified
    if told.sweep:
        print(f"\n{table(swept(min(told.sizes)))}")
    sys.exit(not right)


if __name__ == "__main__":
    main()
