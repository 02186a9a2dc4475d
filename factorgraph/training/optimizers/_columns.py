"""Block coordinate descent on sums that fade: one column after another, each onto its constraint."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from factorgraph.factors.functions._spectrum import eigenvalue_bound
from factorgraph.training.optimizers._sums import Sums

FREE = (0.0, None)
TINY = torch.finfo(torch.float64).tiny


class Columns(Sums):
    """``norms`` of a group: the least and the largest, if there is one, of a column of its matrix."""

    def __init__(self, groups: list[dict[str, Any]], forgetting: float):
        super().__init__(groups, {"norms": FREE, "forgetting": forgetting})
        for group in self.param_groups:
            self.state[group["params"][0]]["step"] = torch.zeros(())

    @torch.no_grad()
    def gather(self, group: dict[str, Any], inputs: Sequence[tuple[Tensor, Tensor]], rows: int) -> None:
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
            (gram, products), moved = self.sums(group), self.joined(group["params"])
            for block, bound, norms in _blocks(group, gram):
                gradient = moved @ gram[block].T - products[:, block]
                moved[:, block] = _within(moved[:, block] - gradient / bound, *norms)
            for parameter, part in zip(group["params"], self.parted(group, moved), strict=True):
                parameter.copy_(part)


def _blocks(group: dict[str, Any], gram: Tensor) -> list[tuple[slice, Tensor, tuple[float, float | None]]]:
    """The columns, and the bias as one that is free: where each stands, a bound of the energy's curvature there, its norms.

    Where nothing was seen, the gradient is 0 and so is the step.
    """
    matrix, *bias = group["params"]
    columns, places = matrix.shape[1], matrix[0, 0].numel()
    ends = [each * places for each in range(columns + 1)]
    found = [(slice(begin, end), group["norms"]) for begin, end in pairwise(ends)]
    if places == 1:
        bounds = gram.diagonal()
    else:
        parted = gram[: ends[-1], : ends[-1]].reshape(columns, places, columns, places)
        bounds = torch.cat([eigenvalue_bound(parted.diagonal(dim1=0, dim2=2).permute(2, 0, 1)), gram.diagonal()[ends[-1] :]])
    found += [(slice(ends[-1], ends[-1] + 1), FREE)] * len(bias)
    return [(block, bound, norms) for (block, norms), bound in zip(found, bounds.clamp_min(TINY), strict=True)]


def _within(column: Tensor, least: float, largest: float | None) -> Tensor:
    """The nearest of a norm that is allowed."""
    norm: Tensor = torch.linalg.vector_norm(column)
    nearest: Tensor = column * (norm.clamp(least, largest) / norm.clamp_min(TINY))
    return nearest
