"""Search through all values of a finite domain."""

from __future__ import annotations

from math import log10
from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.inference.problem import Problem
from factorgraph.inference.rows import column, flat
from factorgraph.inference.solvers._kinds import Direct, Summing
from factorgraph.lazy import torch
from factorgraph.structure import Structure

if TYPE_CHECKING:
    from torch import Tensor

AT_ONCE = 2**22  # numbers held at a time, 16 MiB of float32
MOST = 2**16  # values: 16 binary units; for a batch of 100 and a thousand numbers a sample a search of some seconds


class Enumerate(Direct, Summing):
    r"""Tries every value that a finite domain allows and takes the best; of equals the first.

    .. math:: z = \operatorname{argmin}_{c \in C} E(c)

    Several variables are tried in every combination. To sum them out, it adds up exp(-E) over all of them.

    Needs:    binary and one-hot variables with at most 65536 values together, as 16 binary units have; nothing of the terms.
    Shapes:   choices (choices, *shape) -> z (batch, *shape). Memory is bounded by trying some choices at a time.
    Source:   Lloyd, IEEE Trans. Inf. Theory 28(2), 1982, the assignment of k-means.
    """

    type: Literal["enumerate"] = "enumerate"

    needs: ClassVar[frozenset[str]] = frozenset()
    uses: ClassVar[frozenset[str]] = frozenset()
    domains: ClassVar[frozenset[str]] = frozenset({"binary", "one_hot", "finite"})

    @classmethod
    def too_large(cls, structure: Structure) -> str:
        if structure.choices <= MOST:
            return ""
        return f"at most {MOST} values to try; {structure.size} units have {_spoken(structure.choices)} together"

    def minimise(self, problem: Problem) -> Tensor:
        choices = problem.choices
        assert choices is not None, "a search needs the values that it searches"
        batch = len(problem.start)
        lowest = problem.start.new_full((batch,), torch.inf)
        best = torch.zeros(batch, dtype=torch.int64, device=lowest.device)
        width = 1 if _closed(problem) else max(choices.width, problem.start[0].numel())
        size = max(1, AT_ONCE // (batch * width))
        for first in range(0, choices.count, size):
            numbers = torch.arange(first, min(first + size, choices.count), device=lowest.device)
            energies = _energies(problem, choices.at(numbers))  # (batch, some choices)
            energies = torch.where(energies.isnan(), torch.inf, energies)
            index = energies.argmin(1)  # of equals the first
            value = energies.gather(1, index[:, None]).squeeze(1)
            better = value < lowest
            lowest, best = torch.where(better, value, lowest), torch.where(better, first + index, best)
        z = choices.at(best).to(problem.start.dtype)
        return torch.where(column(lowest < torch.inf, z), z, torch.nan)


def _closed(problem: Problem) -> bool:
    """Whether energies are one product with what all rows share."""
    return problem.quadratic is not None and not problem.quadratic.apart and problem.rest is None


def _energies(problem: Problem, choices: Tensor) -> Tensor:
    """(some choices, *shape) -> (batch, some choices)"""
    if _closed(problem):
        assert problem.quadratic is not None, "what is closed is quadratic"
        hessian, linear, constant = problem.quadratic.hessian, problem.quadratic.linear, problem.quadratic.constant
        code = flat(choices).to(hessian.dtype)
        return torch.addmm((code @ hessian * code).sum(1) / 2, linear, code.T) + constant[:, None]
    batch = len(problem.start)
    if problem.take is None:
        return torch.stack([problem.energy(each.expand(batch, *each.shape)) for each in choices], 1)
    repeated = torch.arange(batch, device=choices.device).repeat_interleave(len(choices))
    every = choices.repeat(batch, *[1] * (choices.dim() - 1))
    return problem.take(repeated).energy(every).view(batch, len(choices))


def _spoken(number: int) -> str:
    return f"{number}" if number < 10**9 else f"about 10^{int((number.bit_length() - 1) * log10(2))}"
