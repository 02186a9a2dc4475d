"""An experiment: how many numbers a picture's code takes, patch by patch and as a whole, with one dictionary at one error.

Run as ``python -m tests.run.redundancy RUN``, with the run of ``convolutional_sparse_coding``.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

import factorgraph as fg
from factorgraph.run.run import Run
from factorgraph.spec.load import loads

CODE = """
factorgraph: 1
variables:
  X: {kind: observed, shape: [1, SIDE, SIDE]}
  Z: {kind: latent, shape: [MAPS, SIDE - KERNEL + 1, SIDE - KERNEL + 1]}
functions:
  decoder: {type: convolution, kernel: KERNEL, padding: full, bias: false}
  inside:  {type: crop, margin: MARGIN}
factors:
  reconstruction: {type: squared_distance, between: [inside(X), inside(decoder(Z))], weight: 0.5}
  sparsity:       {type: l1, of: Z, weight: WEIGHT}
inference:
  optimal: {method: argmin, of: Z, solver: SOLVER, steps: STEPS, tolerance: 1e-5}
"""
HALVINGS = 12


@dataclass(frozen=True)
class Coded:
    """The mean squared error inside the border, over that of a grey picture, and the code's numbers that are not 0, a pixel."""

    error: float
    nonzeros: float


def coded(pictures: Tensor, kernels: Tensor, weight: float, margin: int, solver: str, steps: int) -> tuple[Tensor, Tensor]:
    """Codes (n, maps, rows, columns) of pictures (n, 1, side, side), and what is drawn from them. ``kernels``: (maps, s, s)."""
    words = {"SIDE": pictures.shape[-1], "MAPS": len(kernels), "KERNEL": kernels.shape[-1], "MARGIN": margin, "WEIGHT": weight}
    text = CODE.replace("SOLVER", solver).replace("STEPS", str(steps))
    for word, number in words.items():
        text = text.replace(word, repr(number))
    model = fg.build(loads(text))
    with torch.no_grad():
        next(model.parameters()).copy_(kernels.flip(-1, -2)[None])  # a code smaller than its picture draws kernels turned round
        z = model.infer(X=pictures)["Z"]
        return z, model.evaluate(("decoder(Z)",), X=pictures, Z=z)["decoder(Z)"]


def as_a_whole(pictures: Tensor, kernels: Tensor, weight: float, steps: int = 300) -> Coded:
    """All of a picture by one code."""
    margin = kernels.shape[-1] - 1
    z, drawn = coded(pictures, kernels, weight, margin, "admm", steps)
    return _rated(pictures, drawn, z, margin)


def patch_by_patch(pictures: Tensor, kernels: Tensor, weight: float, steps: int = 300) -> Coded:
    """Every patch that overlaps another by a code of its own; a pixel is the mean of what the patches over it say."""
    side = kernels.shape[-1]
    patches = torch.nn.functional.unfold(pictures, side)  # (n, side * side, places)
    z, drawn = coded(patches.transpose(1, 2).reshape(-1, 1, side, side), kernels, weight, 0, "fista", steps)
    columns = drawn.reshape(len(pictures), -1, side * side).transpose(1, 2)
    folded, times = (
        torch.nn.functional.fold(each, pictures.shape[-2:], side) for each in (columns, torch.ones_like(columns))
    )
    return _rated(pictures, folded / times, z, side - 1)


def at_equal_error(pictures: Tensor, kernels: Tensor, weight: float) -> tuple[Coded, Coded]:
    """Patch by patch with this weight of sparsity, and as a whole with the weight that leaves the same error, or less."""
    apart = patch_by_patch(pictures, kernels, weight)
    low, high = weight / 100, weight * 100
    for _ in range(HALVINGS):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if as_a_whole(pictures, kernels, middle).error <= apart.error else (low, middle)
    return apart, as_a_whole(pictures, kernels, low)


def _rated(pictures: Tensor, drawn: Tensor, z: Tensor, margin: int) -> Coded:
    inner = slice(margin, -margin)
    seen, found = (each[..., inner, inner].double() for each in (pictures, drawn))
    return Coded(float((seen - found).square().sum() / seen.square().sum()), float((z != 0).sum()) / pictures.numel())


if __name__ == "__main__":
    on = Run(Path(sys.argv[1])).measured()
    for weight in (0.1, 0.3):
        apart, whole = at_equal_error(torch.as_tensor(on.given["X"][:4]), on.filters("decoder"), weight)
        numbers = f"non-zeros a pixel {apart.nonzeros:.3f} and {whole.nonzeros:.3f}"
        print(f"error {apart.error:.3f} and {whole.error:.3f}, {numbers}: {apart.nonzeros / whole.nonzeros:.1f} times fewer")
