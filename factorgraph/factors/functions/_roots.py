"""Square roots that can be differentiated where there is nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factorgraph.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor


def root(squares: Tensor) -> Tensor:
    """Whose gradient is 0 where there is nothing."""
    above = squares > 0
    return torch.where(above, torch.where(above, squares, 1).sqrt(), 0)
