"""Patches from the disk through ``factorgraph infer``: seconds and the peak of memory, by their number.

An .npy of patches 12 x 12 in float32, and a run of sparse coding with 256 units that learned for a few steps; each number of
patches in a process of its own, whose peak of resident memory the system tells.

    python -m benchmarks.codes_from_disk [--rows 250000 500000 1000000]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import factorgraph as fg
from benchmarks.harness import table

SPEC = """
factorgraph: 1
variables:
  Y: {kind: observed, shape: [144]}
  Z: {kind: latent, shape: [256]}
functions:
  decoder: {type: linear, bias: false, unit_norm: columns}
factors:
  reconstruction: {type: squared_distance, between: [Y, decoder(Z)], weight: 0.5}
  sparsity:       {type: l1, of: Z, weight: 0.5}
inference:
  codes: {method: argmin, of: Z}
learning:
  dictionary: {loss: energy, optimizer: online_dictionary, steps: 20, batch_size: 500}
data: {source: arrays, file: known.npy, test: 100, bind: {Y: array}}
"""
AT_ONCE = 10_000


def written(path: Path, rows: int) -> None:
    """Smooth random patches of unit variance, the same ones in other orders: (rows, 144)."""
    random = np.random.default_rng(0)
    fast = np.hypot(np.fft.fftfreq(12)[:, None], np.fft.rfftfreq(12)[None])
    noise = np.fft.rfft2(random.standard_normal((AT_ONCE, 12, 12)))
    patches = np.fft.irfft2(noise * np.exp(-5 * fast), (12, 12)).reshape(-1, 144).astype(np.float32)
    patches /= patches.std(1, keepdims=True)
    file = np.lib.format.open_memmap(path, "w+", np.float32, (rows, 144))
    for first in range(0, rows, AT_ONCE):
        file[first : first + AT_ONCE] = random.permutation(patches)[: rows - first]


WATCH = """
import os, sys
_, status, used = os.wait4(os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ), 0)
print(os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime, used.ru_maxrss / 2**10)
"""


def inferred(run: Path, source: Path, output: Path) -> tuple[float, float]:
    """CPU seconds, and the peak of memory in MiB, of a process, watched by a small one: its peak counts what started it."""
    command = [sys.executable, "-m", "factorgraph", "infer", str(run), str(source), "--device", "cpu", "-o", str(output)]
    told = subprocess.run([sys.executable, "-c", WATCH, *command], check=True, stdout=subprocess.PIPE, text=True).stdout
    status, seconds, memory = told.splitlines()[-1].split()
    if status != "0":
        raise SystemExit(f"infer ended with {status}")
    return float(seconds), float(memory)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[250_000, 500_000, 1_000_000])
    told = parser.parse_args()
    found = []
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        home = Path(folder)
        written(home / "known.npy", 5100)
        (home / "spec.yaml").write_text(SPEC)
        run = fg.train(home / "spec.yaml", home / "run", device="cpu").path
        for rows in told.rows:
            written(home / "patches.npy", rows)
            seconds, memory = inferred(run, home / "patches.npy", home / "codes.npz")
            sizes = [(home / name).stat().st_size / 2**20 for name in ("patches.npy", "codes.npz")]
            each = {"patches": f"{rows:,}", "MiB read": f"{sizes[0]:.0f}", "MiB written": f"{sizes[1]:.0f}"}
            each |= {"CPU s": f"{seconds:.1f}", "us each": f"{seconds / rows * 1e6:.0f}", "peak MiB": f"{memory:.0f}"}
            found.append(each)
            print(each, flush=True)
    print(table(found))


if __name__ == "__main__":
    main()
