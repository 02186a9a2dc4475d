"""One convolutional sparse code by factorgraph and by SPORCO: both objectives, and CPU seconds.

Both minimise ``|m (sum_k d_k * z_k - x)|^2 / 2 + w |z|_1``: codes reach over the border of the picture, and what lies outside is
masked. A torus as large as the codes with the picture in a corner says the same to SPORCO, whose transforms are circular. The
objective of each code is computed here, in double precision, by one formula. SPORCO comes with the extra ``bench``.
"""

from __future__ import annotations

import argparse
import importlib
import time
from collections.abc import Callable

import numpy as np
import torch
from sklearn.datasets import load_sample_image

import factorgraph as fg
from factorgraph.compile.tiled import Tiling

SPEC = """
factorgraph: 1
variables:
  X: {{kind: observed, shape: [1, {side}, {side}]}}
  Z: {{kind: latent, shape: [{maps}, {code}, {code}]}}
functions:
  decoder: {{type: convolution, kernel: {kernel}, padding: valid, bias: false, unit_norm: columns}}
factors:
  reconstruction: {{type: squared_distance, between: [X, decoder(Z)], weight: 0.5}}
  sparsity:       {{type: l1, of: Z, weight: {weight}}}
inference:
  optimal: {{method: argmin, of: Z, solver: {solver}, steps: 5000, tolerance: {tolerance}}}
"""


def picture(side: int) -> np.ndarray:
    """A part of a photograph without its slow changes, of variance 1: (side, side)."""
    grey = load_sample_image("china.jpg").mean(2)[100:, 150:][: side + 16, : side + 16] / 255
    means = np.lib.stride_tricks.sliding_window_view(grey, (17, 17)).mean((2, 3))
    rough = grey[8 : 8 + side, 8 : 8 + side] - means
    return np.asarray(rough / rough.std())


def kernels(maps: int, side: int) -> np.ndarray:
    """Smooth random patterns of norm 1: (maps, side, side)."""
    random = np.random.default_rng(0).standard_normal((maps, side, side))
    fast = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    smooth = np.fft.irfft2(np.fft.rfft2(random) * np.exp(-2 * fast), (side, side))
    return np.asarray(smooth / np.linalg.norm(smooth, axis=(1, 2), keepdims=True))


def objective(code: np.ndarray, drawn_by: np.ndarray, x: np.ndarray, weight: float) -> float:
    """Of a code (maps, rows, columns) for correlation kernels: in double precision."""
    z, d = torch.from_numpy(code).double()[None], torch.from_numpy(drawn_by)[None]
    misfit = torch.nn.functional.conv2d(z, d)[0, 0] - torch.from_numpy(x)
    return float(misfit.square().sum() / 2 + weight * z.abs().sum())


def ours(x: np.ndarray, d: np.ndarray, weight: float, solver: str, tolerance: float, tile: int) -> np.ndarray:
    side, (maps, kernel, _) = len(x), d.shape
    sizes = {"side": side, "maps": maps, "kernel": kernel, "code": side + kernel - 1}
    model = fg.build(fg.loads(SPEC.format(**sizes, weight=weight, solver=solver, tolerance=tolerance)))
    with torch.no_grad():
        model.get_parameter("functions.decoder.matrix").copy_(torch.from_numpy(d)[None])
        model = model.tiled("optimal", Tiling(tile)) if tile else model
        return np.asarray(model.infer(X=torch.from_numpy(x).float()[None, None])["Z"][0])


def theirs(x: np.ndarray, d: np.ndarray, weight: float, tolerance: float) -> np.ndarray:
    from sporco.pgm import cbpdn

    reach = d.shape[1] - 1
    mask = np.pad(np.ones_like(x), (0, reach)).astype(np.float32)
    slope = float((np.abs(np.fft.fft2(d, (256, 256))) ** 2).sum(0).max())
    options = cbpdn.ConvBPDNMask.Options({"MaxMainIter": 5000, "RelStopTol": tolerance, "L": slope, "Backtrack": None})
    flipped = d[:, ::-1, ::-1].transpose(1, 2, 0).astype(np.float32)  # a convolution where ours is a correlation
    search = cbpdn.ConvBPDNMask(flipped, np.pad(x, (0, reach)).astype(np.float32), weight, mask, options)
    found = search.solve().squeeze().transpose(2, 0, 1)  # a unit at p draws from p on; ours to p
    return np.ascontiguousarray(np.roll(found, reach, (1, 2)))


def timed(search: Callable[[], np.ndarray]) -> tuple[np.ndarray, float]:
    begin = time.process_time()
    code = search()
    return code, time.process_time() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, usual in (("side", 128), ("maps", 16), ("kernel", 9), ("tile", 64)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    parser.add_argument("--weight", type=float, default=0.5)
    told = parser.parse_args()
    torch.set_num_threads(1)
    x, d = picture(told.side), kernels(told.maps, told.kernel)
    rows: dict[str, Callable[[], np.ndarray]] = {
        "factorgraph fista, gap 1e-4": lambda: ours(x, d, told.weight, "fista", 1e-4, 0),
        "factorgraph admm, gap 1e-4": lambda: ours(x, d, told.weight, "admm", 1e-4, 0),
        f"factorgraph tiles of {told.tile}, gap 1e-4": lambda: ours(x, d, told.weight, "fista", 1e-4, told.tile),
        "sporco ConvBPDNMask, change 1e-5": lambda: theirs(x, d, told.weight, 1e-5),
        "sporco ConvBPDNMask, change 1e-6": lambda: theirs(x, d, told.weight, 1e-6),
    }
    print(f"{'':40} {'objective':>12} {'CPU s':>8} {'non-zeros':>10}")
    for name, search in rows.items():
        try:
            if name.startswith("sporco"):
                importlib.import_module("sporco.pgm.cbpdn")  # so that its import is not timed
            code, seconds = timed(search)
        except ImportError as missing:
            print(f"{name:40} skipped: {missing}; pip install factorgraph-ebm[bench]")
            continue
        print(f"{name:40} {objective(code, d, x, told.weight):12.4f} {seconds:8.1f} {np.count_nonzero(code):10d}")


if __name__ == "__main__":
    main()
