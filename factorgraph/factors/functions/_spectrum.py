"""Upper bounds of spectra, guaranteed and without host synchronisation."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from factorgraph.lazy import torch
from factorgraph.whole import whole

if TYPE_CHECKING:
    from torch import Tensor

SMALL = 512  # rows up to which four squarings cost less than a few iterations of a solver
ROUNDING = 1e-4  # far above what float32 loses here, far below what a step notices
FINENESS = 8  # frequencies for each one that a kernel can hold


@whole
def eigenvalue_bound(symmetric: Tensor) -> Tensor:
    """A number at least the largest eigenvalue of a positive semidefinite matrix; of a batch of them, one each.

    It is (tr G^p)^(1/p), at most n^(1/p) times too large: p = 32 (1.19 for 256 rows) up to ``SMALL`` rows, else 8. Unlike power
    iteration it never underestimates, so that a step of its inverse never diverges.
    """
    squarings = 4 if symmetric.shape[-1] <= SMALL else 2
    tiny = torch.finfo(symmetric.dtype).tiny
    power = symmetric.detach()
    logarithm = power.real.new_zeros(())  # G^(2^k) is exp(logarithm) times power, which stays near 1
    for _ in range(squarings):
        size = torch.linalg.matrix_norm(power, keepdim=True).clamp_min(tiny)
        power = power / size
        power = power @ power
        logarithm = 2 * (logarithm + size.log())
    logarithm = logarithm + torch.linalg.matrix_norm(power, keepdim=True).log()  # |G^q|_F^2 = tr G^2q
    bound: Tensor = (logarithm[..., 0, 0] / 2**squarings).exp() * (1 + ROUNDING)
    return bound


@whole
def norm_bound(matrix: Tensor) -> Tensor:
    """A number at least the spectral norm of a matrix, at most 1.7 times it up to 4096 rows or columns."""
    matrix = matrix.detach()
    largest = matrix.abs().amax().clamp_min(torch.finfo(matrix.dtype).tiny)
    scaled = matrix / largest  # squares of large entries must not overflow
    wide = scaled.shape[0] <= scaled.shape[1]
    return eigenvalue_bound(scaled @ scaled.T if wide else scaled.T @ scaled).sqrt() * largest


@whole
def convolution_norm_bound(kernels: Tensor, stride: int) -> Tensor:
    """A number at least the norm of a cross-correlation of images of any size, with zeros around them or none.

    ``kernels`` (outputs, inputs, rows, columns). It is that of the unbounded image, of which every other is a part: the largest
    singular value, over all frequencies, of the matrix (outputs, inputs) of the kernels' Fourier coefficients. Its square is a
    trigonometric polynomial whose degree is less than the kernels' side, so that a grid of ``FINENESS`` times as many frequencies
    holds it down to 1 over the square of a cosine: the bound is at most 1.09 times the norm, times what ``eigenvalue_bound``
    adds. With a stride, every stride-th row and column is an image of its own, which makes a convolution of stride 1.
    """
    kernels = kernels.detach()
    largest = kernels.abs().amax().clamp_min(torch.finfo(kernels.dtype).tiny)
    scaled = _by_phase(kernels / largest, stride)
    degrees = [side - 1 for side in scaled.shape[2:]]
    grid = [max(1, FINENESS * each) for each in degrees]
    between = math.prod(math.cos(math.pi * degree / each) for degree, each in zip(degrees, grid, strict=True))
    spectrum = torch.fft.rfft2(scaled, grid).flatten(2).permute(2, 0, 1)  # (frequencies, outputs, inputs)
    wide = spectrum.shape[1] <= spectrum.shape[2]
    gram = spectrum @ spectrum.mH if wide else spectrum.mH @ spectrum
    return (eigenvalue_bound(gram).amax() / between).sqrt() * largest


def _by_phase(kernels: Tensor, stride: int) -> Tensor:
    """Kernels of a stride as kernels of stride 1, each of which reads every stride-th row and column: more inputs, smaller."""
    outputs, inputs = kernels.shape[:2]
    rows, columns = (-(-side // stride) for side in kernels.shape[2:])
    missing = (0, columns * stride - kernels.shape[3], 0, rows * stride - kernels.shape[2])
    parted = torch.nn.functional.pad(kernels, missing).reshape(outputs, inputs, rows, stride, columns, stride)
    return parted.permute(0, 1, 3, 5, 2, 4).reshape(outputs, inputs * stride**2, rows, columns)
