"""Log likelihoods, from a procedure that sums over everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factorgraph.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.run.measured import Measured


def log_partition(on: Measured, procedure: str) -> float:
    """The logarithm of the partition function that a procedure sums."""
    with torch.no_grad():
        summed = on.model.summed(procedure)
    return float(-summed.sum.beta * summed.free.mean())


def log_likelihood(on: Measured, procedure: str) -> Tensor:
    """(rows,), double: of each held-out sample, with the latent variables summed out by the procedure that does so at the same
    beta and with the same factors.

    Raises RunError FG638 where none does.
    """
    shift = log_partition(on, procedure)
    solved = on.solved(on.posterior(procedure))
    found: Tensor = -_beta(on, procedure) * on.energies(solved).double() - shift
    return found


def _beta(on: Measured, procedure: str) -> float:
    total = on.model.inferences[procedure].sum
    assert total is not None, "its partition function was found"
    return total.beta


def distinct(on: Measured) -> Tensor:
    """The number of one row for each pattern among the held-out samples."""
    rows = torch.cat([torch.as_tensor(each).flatten(1) for each in on.given.values()], 1)
    _, number = torch.unique(rows, dim=0, return_inverse=True)
    first: Tensor = torch.full((int(number.max()) + 1,), len(rows))
    return first.scatter_reduce(0, number, torch.arange(len(rows)), "amin")
