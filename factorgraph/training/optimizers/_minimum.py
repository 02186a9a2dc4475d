"""The minimum that sums over a pass through the data tell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from factorgraph.training.optimizers._sums import Sums


class Minimum(Sums):
    """``directions`` of a group: the matrix has orthonormal rows. ``means``: its columns are means of rows."""

    def __init__(self, groups: list[dict[str, Any]]):
        super().__init__(groups, {"directions": False, "means": False})

    def add(self, group: dict[str, Any], sums: Sequence[Tensor]) -> None:
        """Add a batch's part of G, and of P where that is asked for."""
        state = self.state[group["params"][0]]
        for name, each in zip(("gram",) if group["directions"] else ("gram", "products"), sums, strict=True):
            state[name] += each

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Go to the minimum and begin a new pass. A sum that is no number makes parameters that are none: the loop will tell."""
        for group in self.param_groups:
            matrix = group["params"][0]
            gram, products = self.sums(group)
            if group["directions"]:
                matrix.copy_(_directions(gram, matrix.shape[0]))
            elif group["means"]:
                matrix.copy_(torch.where(gram > 0, products / gram, matrix))
            else:
                change = _newton(self.joined(group["params"]) @ gram - products, gram, torch.finfo(matrix.dtype).eps)
                for parameter, part in zip(group["params"], self.parted(group, change), strict=True):
                    parameter.sub_(part)
            for each in group["params"]:
                for total in self.state[each].values():
                    total.zero_()


def _newton(gradient: Tensor, gram: Tensor, eps: float) -> Tensor:
    """gradient times the pseudo-inverse of gram, whose inputs are first brought to one scale.

    What is below the accuracy of the gradients counts as unused: there a small error would be a large step.
    """
    scale = gram.diagonal().sqrt()
    scale = torch.where(scale > 0, scale, 1)
    values, vectors = _eigen(gram / scale / scale[:, None])
    used = values > eps * len(gram) * values[-1]
    inverse = torch.where(used, 1 / torch.where(used, values, 1), 0)
    return ((gradient / scale) @ vectors * inverse) @ vectors.T / scale


def _directions(gram: Tensor, count: int) -> Tensor:
    """The leading eigenvectors, one a row, the largest entry of each positive."""
    rows = _eigen(gram)[1][:, -count:].flip(1).T
    largest = rows.gather(1, rows.abs().argmax(1, keepdim=True))
    return rows * torch.where(largest < 0, -1.0, 1.0)


def _eigen(gram: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues, ascending, and vectors in columns: not numbers where the sums are none, which LAPACK refuses."""
    finite = gram.isfinite().all()
    values, vectors = torch.linalg.eigh(torch.where(finite, gram, 0))
    return torch.where(finite, values, torch.nan), torch.where(finite, vectors, torch.nan)
