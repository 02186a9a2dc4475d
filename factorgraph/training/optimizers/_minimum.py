"""Sums over a pass through the data, and the minimum that they tell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor


class Minimum(torch.optim.Optimizer):
    """One group a function: its ``matrix``, then its ``bias`` if it has one; ``directions``: the matrix has orthonormal rows.

    The sums are float64 and live where other optimizers keep their moments: a checkpoint holds them by the parameter's name.
    """

    def __init__(self, groups: list[dict[str, Any]]):
        super().__init__(groups, {"directions": False})
        for group in self.param_groups:
            matrix = group["params"][0]
            units = matrix.shape[1] + len(group["params"]) - 1
            self.state[matrix]["gram"] = matrix.new_zeros(units, units, dtype=torch.float64)
            for each in group["params"]:
                self.state[each]["gradient"] = torch.zeros_like(each, dtype=torch.float64)

    @torch.no_grad()
    def gather(self, group: dict[str, Any], inputs: Sequence[tuple[Tensor, Tensor]], rows: int) -> None:
        """Add a batch: the gradients that its parameters hold, which are means over ``rows``, and the function's inputs.

        ``inputs``: (rows, units) each, with the weight of each row, (rows,).
        """
        matrix, *bias = group["params"]
        for each in group["params"]:
            if each.grad is not None:
                self.state[each]["gradient"] += rows * each.grad.double()
        for x, weight in inputs:
            seen = x.double().reshape(x.shape[0], matrix.shape[1])
            seen = torch.cat([seen, seen.new_ones(seen.shape[0], 1)], 1) if bias else seen
            self.state[matrix]["gram"] += (seen * weight.double()[:, None]).T @ seen

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Go to the minimum and begin a new pass. A sum that is no number makes parameters that are none: the loop will tell."""
        for group in self.param_groups:
            matrix, *bias = group["params"]
            gram = self.state[matrix]["gram"]
            if group["directions"]:
                matrix.copy_(_directions(gram, matrix.shape[0]))
            else:
                gradient = torch.cat([self.state[each]["gradient"].reshape(matrix.shape[0], -1) for each in group["params"]], 1)
                change = _newton(gradient, gram, torch.finfo(matrix.dtype).eps)
                matrix -= change[:, : matrix.shape[1]]
                for parameter in bias:
                    parameter.sub_(change[:, -1])
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
