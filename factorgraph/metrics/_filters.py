"""What a filter looks like, as numbers. Filters are (filters, height, width), or (filters, channels, height, width)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factorgraph.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

SHARE_IN_HALF = 0.8  # of the squared values in the best half: a Gabor is local
ELONGATION = 2.0  # of its power spectrum: a Gabor is oriented


def gabor_like(filters: Tensor) -> Tensor:
    """Which filters are local and oriented: (filters, [channels,] height, width) -> (filters,) bool.

    A filter counts when at least 0.8 of its squared values lie in its best rectangle of half the area, and the larger eigenvalue
    of the second-moment matrix of its power spectrum is at least twice the smaller. A filter of zeros does not count.
    """
    filters = filters.double()
    return (share_in_best_half(filters) >= SHARE_IN_HALF) & (elongation(filters) >= ELONGATION)


def share_in_best_half(filters: Tensor) -> Tensor:
    """The largest share of squared values inside a rectangle of half the height or half the width, at any place.

    A half of an odd side is rounded down, so that the rectangle is never more than half of the area. (filters,), 0 for zeros.
    """
    power = filters.square()
    if power.dim() == 4:
        power = power.sum(1)
    best = torch.maximum(_best_window(power.sum(2)), _best_window(power.sum(1)))
    total = power.sum((1, 2))
    return torch.where(total > 0, best / total.clamp_min(torch.finfo(total.dtype).tiny), 0.0)


def _best_window(profile: Tensor) -> Tensor:
    """The largest sum over half of the positions in a row: (filters, positions) -> (filters,)."""
    half = profile.shape[1] // 2
    return profile.new_zeros(len(profile)) if half == 0 else profile.unfold(1, half, 1).sum(2).amax(1)


def elongation(filters: Tensor) -> Tensor:
    """The larger over the smaller eigenvalue of the second-moment matrix of the power spectrum, padded to twice the sides.

    1 is round, large is oriented. (filters,), 0 for zeros.
    """
    height, width = filters.shape[-2:]
    power = torch.fft.fft2(filters, s=(2 * height, 2 * width)).abs().square()
    if power.dim() == 4:
        power = power.sum(1)
    down = torch.fft.fftfreq(2 * height, dtype=filters.dtype, device=filters.device)[:, None]
    across = torch.fft.fftfreq(2 * width, dtype=filters.dtype, device=filters.device)[None, :]
    a, b, c = ((power * moment).sum((1, 2)) for moment in (down * down, down * across, across * across))
    middle, reach = (a + c) / 2, torch.sqrt(((a - c) / 2).square() + b.square())
    tiny = torch.finfo(filters.dtype).tiny
    return torch.where(middle > 0, (middle + reach) / (middle - reach).clamp_min(tiny), 0.0)


def direction(filters: Tensor) -> Tensor:
    """How much of the power spectrum lies along one axis, and along which: (filters, [channels,] height, width) -> (filters,).

    The mean of exp(2i theta) over the spectrum, weighed by its power, where theta is the angle of a frequency, counted from the
    columns' axis towards the rows'; the mean grey has none. 0 is as much in every direction; filters of zeros have 0.
    """
    filters = filters.double()
    height, width = filters.shape[-2:]
    sides = (2 * height + 1, 2 * width + 1)  # odd: no frequency has a twin that is missing
    power = torch.fft.fft2(filters, s=sides).abs().square()
    if power.dim() == 4:
        power = power.sum(1)
    down, across = (torch.fft.fftfreq(side, dtype=filters.dtype) for side in sides)
    frequency = torch.complex(across.expand(sides), down[:, None].expand(sides))
    turned = (frequency / frequency.abs().clamp_min(torch.finfo(filters.dtype).tiny)).square()
    total = torch.where(frequency.abs() > 0, power, 0).sum((1, 2))
    found: Tensor = (power * turned).sum((1, 2)) / torch.where(total > 0, total, 1)
    return found
