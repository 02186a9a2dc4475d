"""What a procedure inferred for every row of a split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Solved:
    """Tensors lie on the CPU, rows first. What the procedure reads and does not infer is inferred by the first that does."""

    procedure: str
    variables: Mapping[str, Tensor]  # by value id: (rows, *shape)
    latents: tuple[str, ...]  # the ids of those that the procedure itself infers
    energy: Tensor  # (rows,)
    shares: Mapping[str, Tensor]  # weighted, by factor id: (rows,); they add up to the energy
    status: Tensor  # (rows,), of factorgraph.inference.problem
    steps: Tensor  # (rows,)
