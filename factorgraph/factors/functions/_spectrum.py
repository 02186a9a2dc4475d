"""Upper bounds of spectra, guaranteed and without host synchronisation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factorgraph.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

SMALL = 512  # rows up to which four squarings cost less than a few iterations of a solver
ROUNDING = 1e-4  # far above what float32 loses here, far below what a step notices


def eigenvalue_bound(symmetric: Tensor) -> Tensor:
    """A number at least the largest eigenvalue of a positive semidefinite matrix.

    It is (tr G^p)^(1/p), at most n^(1/p) times too large: p = 32 (1.19 for 256 rows) up to ``SMALL`` rows, else 8. Unlike power
    iteration it never underestimates, so that a step of its inverse never diverges.
    """
    squarings = 4 if symmetric.shape[-1] <= SMALL else 2
    tiny = torch.finfo(symmetric.dtype).tiny
    power = symmetric.detach()
    logarithm = power.new_zeros(())  # G^(2^k) is exp(logarithm) times power, which stays near 1
    for _ in range(squarings):
        size = torch.linalg.matrix_norm(power).clamp_min(tiny)
        power = power / size
        power = power @ power
        logarithm = 2 * (logarithm + size.log())
    logarithm = logarithm + torch.linalg.matrix_norm(power).log()  # |G^q|_F^2 = tr G^2q
    bound: Tensor = (logarithm / 2**squarings).exp() * (1 + ROUNDING)
    return bound


def norm_bound(matrix: Tensor) -> Tensor:
    """A number at least the spectral norm of a matrix, at most 1.7 times it up to 4096 rows or columns."""
    matrix = matrix.detach()
    largest = matrix.abs().amax().clamp_min(torch.finfo(matrix.dtype).tiny)
    scaled = matrix / largest  # squares of large entries must not overflow
    wide = scaled.shape[0] <= scaled.shape[1]
    return eigenvalue_bound(scaled @ scaled.T if wide else scaled.T @ scaled).sqrt() * largest
