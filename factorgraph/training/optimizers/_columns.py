"""Block coordinate descent on sums that fade: one column after another, each onto its constraint."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from factorgraph.factors.functions._spectrum import eigenvalue_bound
from factorgraph.kernels import columns as kernel
from factorgraph.training.optimizers._sums import Read, Sums

Norms = tuple[float, float | None]  # the least, and the largest if there is one

FREE: Norms = (0.0, None)
TINY = torch.finfo(torch.float64).tiny


class Columns(Sums):
    """``norms`` of a group: the least and the largest, if there is one, of a column of its matrix."""

    exact = False  # codes are known to a tolerance, and no step solves with the sums: twice as fast where codes are found fast

    def __init__(self, groups: list[dict[str, Any]], forgetting: float):
        super().__init__(groups, {"norms": FREE, "forgetting": forgetting})
        for group in self.param_groups:
            self.state[group["params"][0]]["step"] = torch.zeros(())

    @torch.no_grad()
    def gather(self, group: dict[str, Any], inputs: Sequence[Read], rows: int) -> None:
        """Let the sums fade, and add a batch to them."""
        of_matrix = self.state[group["params"][0]]
        of_matrix["step"] += 1
        kept = (1 - 1 / float(of_matrix["step"])) ** group["forgetting"]  # a counter, which is never on a device
        of_matrix["gram"] *= kept
        for each in group["params"]:
            self.state[each]["products"] *= kept
        super().gather(group, inputs, rows)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Move every column once. A sum that is no number makes parameters that are none: the loop will tell."""
        for group in self.param_groups:
            (gram, products), matrix = self.sums(group), self.joined(group["params"])
            bounds = _bounds(group, gram)
            moved = _swept(group, matrix, gram, products, bounds) if len(bounds) == len(gram) else None
            if moved is None:
                moved = _in_turn(matrix, gram, products, _blocks(group), bounds)
            for parameter, part in zip(group["params"], self.parted(group, moved), strict=True):
                parameter.copy_(part)


def _blocks(group: dict[str, Any]) -> list[tuple[slice, Norms]]:
    """Where each column stands, and the norms that it may have; the bias is one that is free."""
    matrix, *bias = group["params"]
    columns, places = matrix.shape[1], matrix[0, 0].numel()
    ends = [each * places for each in range(columns + 1)]
    found = [(slice(begin, end), group["norms"]) for begin, end in pairwise(ends)]
    return found + [(slice(ends[-1], ends[-1] + 1), FREE)] * len(bias)


def _bounds(group: dict[str, Any], gram: Tensor) -> Tensor:
    """(blocks,): of the energy's curvature along each block. Where nothing was seen, the gradient is 0 and so is the step."""
    matrix = group["params"][0]
    columns, places = matrix.shape[1], matrix[0, 0].numel()
    bounds, size = gram.diagonal(), columns * places
    if places > 1:
        parted = gram[:size, :size].reshape(columns, places, columns, places)
        bounds = torch.cat([eigenvalue_bound(parted.diagonal(dim1=0, dim2=2).permute(2, 0, 1)), bounds[size:]])
    return bounds.clamp_min(TINY)


def _swept(group: dict[str, Any], matrix: Tensor, gram: Tensor, products: Tensor, bounds: Tensor) -> Tensor | None:
    """As :func:`_in_turn` where each block is one column, by the compiled kernel; ``None`` where that does not serve."""
    least, largest = group["norms"]
    norms = gram.new_tensor([[least], [torch.inf if largest is None else largest]]).repeat(1, len(gram))
    norms[:, group["params"][0].shape[1] :] = gram.new_tensor([[0.0], [torch.inf]])  # the bias, if any, is free
    return kernel.sweep(matrix, gram, products, bounds, *norms)


def _in_turn(matrix: Tensor, gram: Tensor, products: Tensor, blocks: Sequence[tuple[slice, Norms]], bounds: Tensor) -> Tensor:
    """The matrix (outputs, units), in place, after each block of its columns has moved once."""
    for (block, norms), bound in zip(blocks, bounds, strict=True):
        gradient = matrix @ gram[block].T - products[:, block]
        matrix[:, block] = _within(matrix[:, block] - gradient / bound, *norms)
    return matrix


def _within(column: Tensor, least: float, largest: float | None) -> Tensor:
    """The nearest of a norm that is allowed."""
    norm: Tensor = torch.linalg.vector_norm(column)
    nearest: Tensor = column * (norm.clamp(least, largest) / norm.clamp_min(TINY))
    return nearest
