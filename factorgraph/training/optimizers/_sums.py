"""Sums over data that tell the energy behind a square as a function of a matrix and its bias, as far as these move it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from factorgraph.kernels import sums as kernel

Read = tuple[Tensor, Tensor, Tensor | None]  # (rows, units), the weight of each row, (rows,), and its target, (rows, outputs)


class Sums(torch.optim.Optimizer):
    r"""One group a function: its ``matrix``, flattened to W (outputs, units), then its ``bias`` if it has one, a column more.

    .. math:: E(W) = \tfrac12 \mathrm{tr}\, W G W' - \mathrm{tr}\, W P' + \text{a number}, \qquad
              G = \sum_n w_n x_n x_n', \quad P = \sum_n w_n y_n x_n'

    The sums are float64 and live where other optimizers keep their moments: a checkpoint holds them by the parameter's name. G
    takes 8 bytes for each pair of units; where a group is of ``means``, only its diagonal is not 0, and kept.
    """

    exact: ClassVar[bool] = True  # a batch is summed in float64 too, as who solves with the sums needs it; else as it comes

    def __init__(self, groups: list[dict[str, Any]], defaults: dict[str, Any]):
        super().__init__(groups, defaults)
        for group in self.param_groups:
            matrix = group["params"][0]
            units = matrix[0].numel() + len(group["params"]) - 1
            shape = (units,) if group.get("means") else (units, units)
            self.state[matrix]["gram"] = matrix.new_zeros(shape, dtype=torch.float64)
            for each in group["params"]:
                self.state[each]["products"] = torch.zeros_like(each, dtype=torch.float64)

    @torch.no_grad()
    def gather(self, group: dict[str, Any], inputs: Sequence[Read], rows: int) -> None:
        """Add a batch: what the function reads, with what it is compared with; or where that stands nowhere, with the gradients
        that its parameters hold, which are means over ``rows`` and tell it: they are W G - P."""
        matrix, *bias = group["params"]
        gram, products = torch.zeros_like(self.state[matrix]["gram"]), []
        for x, weight, beside in inputs:
            seen = torch.cat([x, x.new_ones(x.shape[0], 1)], 1) if bias else x
            seen = seen.double() if self.exact else seen
            moment, product = _moments(seen, weight.to(seen), None if beside is None else beside.to(seen))
            gram += moment
            products += [] if product is None else [product]
        self.state[matrix]["gram"] += gram
        of_all = torch.stack(products).sum(0).double() if products else self.joined(group["params"]) @ gram
        for each, product in zip(group["params"], self.parted(group, of_all), strict=True):
            self.state[each]["products"] += product if each.grad is None else product - rows * each.grad.double()

    def forget(self, matrix: Tensor, columns: list[int]) -> None:
        """Forget what the sums hold of some columns of a matrix, as if their inputs had always been 0."""
        gram = self.state[matrix]["gram"]
        gram[columns] = 0
        gram[..., columns] = 0
        self.state[matrix]["products"][:, columns] = 0

    def sums(self, group: dict[str, Any]) -> tuple[Tensor, Tensor]:
        """G (units, units) and P (outputs, units): the energy's gradient is W G - P."""
        products = [self.state[each]["products"] for each in group["params"]]
        return self.state[group["params"][0]]["gram"], self.joined(products)

    def joined(self, parts: Sequence[Tensor]) -> Tensor:
        """A matrix, and its bias as a last column."""
        outputs = parts[0].shape[0]
        return torch.cat([each.double().reshape(outputs, -1) for each in parts], 1)

    def parted(self, group: dict[str, Any], joined: Tensor) -> list[Tensor]:
        """The same apart, in the shapes of the parameters."""
        sizes = [each[0].numel() for each in group["params"]]
        parts = torch.split(joined, sizes, 1)
        return [part.reshape(each.shape) for part, each in zip(parts, group["params"], strict=True)]


def _moments(x: Tensor, weight: Tensor, beside: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Sums over rows of w x x' (units, units) and w y x' (outputs, units). Sparse codes, if any, are a tenth as much work."""
    found = None if beside is None else kernel.moments(x, weight, beside)
    if found is not None:
        return found
    weighed = x * weight[:, None]
    return weighed.T @ x, None if beside is None else beside.T @ weighed
