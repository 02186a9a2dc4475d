"""Square roots that can be differentiated where there is nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factorgraph.lazy import torch
from factorgraph.whole import whole

if TYPE_CHECKING:
    from torch import Tensor


@whole
def root(squares: Tensor) -> Tensor:
    """Whose gradient is 0 where there is nothing."""
    above = squares > 0
    return torch.where(above, torch.where(above, squares, 1).sqrt(), 0)
