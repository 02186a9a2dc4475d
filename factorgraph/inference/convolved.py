"""A quadratic of maps that draw pictures: by its kernels, where the Hessian would be too large to write down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from factorgraph.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Convolved:
    """``c |m (D z - y)|^2 / 2 + a |z|^2 / 2 + b.z`` and a number d, ``z`` as maps (batch, maps, rows, columns).

    ``D z`` is the picture of all kernels, each as often as its map says: a unit at p draws from p - cut on. What falls beside the
    picture is lost; what the mask m hides is not compared.
    """

    kernels: Tensor  # (colours, maps, side, side)
    cut: int
    shape: tuple[int, int, int]  # of z
    mask: Tensor  # (1, colours, height, width), of zeros and ones
    target: Tensor  # y, (batch, colours, height, width), 0 where the mask is
    curvature: Tensor  # c, ()
    own: Tensor  # a, ()
    linear: Tensor  # b, (batch, units)
    constant: Tensor  # d, (batch,)

    def take(self, rows: Tensor) -> Convolved:
        """The same for some rows."""
        return replace(self, target=self.target[rows], linear=self.linear[rows], constant=self.constant[rows])

    def maps(self, z: Tensor) -> Tensor:
        """(batch, units) -> (batch, maps, rows, columns)"""
        return z.reshape(len(z), *self.shape)

    def value(self, z: Tensor) -> Tensor:
        """(batch, units) -> (batch,)"""
        code, misfit = z.reshape(self.linear.shape), self._misfit(z)
        own = (code * (self.own / 2 * code + self.linear)).sum(1) + self.constant
        return self.curvature / 2 * misfit.square().sum((1, 2, 3)) + own

    def gradient(self, z: Tensor) -> Tensor:
        """(batch, units) -> (batch, units), through frequencies"""
        pulls = self.grid.transformed(self._misfit(z) * self.curvature)
        slope = self.grid.corner(self.grid.back(times_adjoint(self.grid.spectrum, pulls)))
        return slope.reshape(z.shape).add_(self.own * z).add_(self.linear.reshape(z.shape))

    def _misfit(self, z: Tensor) -> Tensor:
        """On the torus: what of the picture is compared, less what it is compared with."""
        return self.grid.picture(self.maps(z)).mul_(self.grid.mask).sub_(self.grid.target)

    def framed(self, picture: Tensor) -> Tensor:
        """A picture (batch, colours, height, width) at its place on all that kernels reach, 0 around it; the rest is cut."""
        (_, rows, columns), reach, low = self.shape, self.kernels.shape[-1] - 1, self.cut
        bottom, right = (side + reach - low - size for side, size in zip((rows, columns), picture.shape[-2:], strict=True))
        return torch.nn.functional.pad(picture, (low, right, low, bottom))

    @property
    def diagonal(self) -> Tensor:
        """(maps,): the Hessian's, far from where the mask hides a part of the kernel."""
        return self.curvature * self.kernels.square().sum((0, 2, 3)) + self.own

    @property
    def crowding(self) -> float:
        """How many maps there are for each colour, and so how many times fewer eigenvalues of D'D are not 0; at least 1."""
        return max(self.kernels.shape[1] / len(self.kernels), 1.0)

    @cached_property
    def grid(self) -> Grid:
        return Grid(self)


class Grid:
    """A torus on which whole kernels fit beside the maps, so that the convolution is a product of Fourier coefficients.

    Nothing wraps around: maps are 0 beside their own corner, and pictures are compared where the mask lets them be.
    """

    def __init__(self, convolved: Convolved):
        self.rows, self.columns = convolved.shape[1:]
        reach = convolved.kernels.shape[-1] - 1
        self.sides = (quick_side(self.rows + reach), quick_side(self.columns + reach))
        self.spectrum = self.transformed(convolved.kernels)  # (colours, maps, *frequencies)
        self.power = torch.stack([times(self.spectrum, row.conj()[None])[0] for row in self.spectrum], 1)  # D D'
        self.cut = convolved.cut
        self.mask, self.target = self.framed(convolved.mask), self.framed(convolved.target)

    def transformed(self, x: Tensor) -> Tensor:
        spectrum: Tensor = torch.fft.rfft2(x, self.sides)
        return spectrum

    def back(self, spectrum: Tensor) -> Tensor:
        x: Tensor = torch.fft.irfft2(spectrum, self.sides)
        return x

    def picture(self, maps: Tensor) -> Tensor:
        """Of maps in their corner, or of a whole torus of them."""
        return self.back(times(self.spectrum, self.transformed(maps)))

    def spread(self, maps: Tensor) -> Tensor:
        """Maps in their corner of the torus."""
        return self._padded(maps, 0)

    def framed(self, picture: Tensor) -> Tensor:
        """A picture at its place on the torus, and 0 around it."""
        return self._padded(picture, self.cut)

    def corner(self, x: Tensor) -> Tensor:
        """Of the whole torus, where maps are."""
        return x[..., : self.rows, : self.columns]

    def _padded(self, x: Tensor, low: int) -> Tensor:
        bottom, right = (side - low - size for side, size in zip(self.sides, x.shape[-2:], strict=True))
        return torch.nn.functional.pad(x, (low, right, low, bottom))


def times(matrix: Tensor, x: Tensor) -> Tensor:
    """At each frequency by itself: (few, many, ...) by (batch, many, ...) -> (batch, few, ...)."""
    return torch.stack([(row * x).sum(1) for row in matrix], 1)


def times_adjoint(matrix: Tensor, x: Tensor) -> Tensor:
    """At each frequency by itself: (few, many, ...) and (batch, few, ...) -> (batch, many, ...)."""
    parts: Sequence[Tensor] = [row.conj() * each[:, None] for row, each in zip(matrix, x.unbind(1), strict=True)]
    total = parts[0]
    for each in parts[1:]:
        total = total.add_(each)
    return total


def quick_side(size: int) -> int:
    """The next side whose transform is quick: no prime above 5 divides it."""
    while True:
        rest = size
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return size
        size += 1
