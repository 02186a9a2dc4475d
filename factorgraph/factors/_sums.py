"""How factors add up: over units, never over examples."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def per_example(x: Tensor) -> Tensor:
    """(batch, *shape) -> (batch,): the sum over *shape*, which may be ()."""
    return x.reshape(x.shape[0], math.prod(x.shape[1:])).sum(1)
