"""Sums over the points of a grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import log, prod
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from factorgraph.inference import domains
from factorgraph.inference.problem import Choices
from factorgraph.inference.solvers._kinds import Summing
from factorgraph.lazy import torch
from factorgraph.spec.constants import Count, Positive
from factorgraph.structure import Structure

if TYPE_CHECKING:
    from torch import Tensor

MOST_UNITS = 3  # a grid of 128 points an axis then has two millions


class Grid(Summing):
    r"""Adds up exp(-E) at the middle of every cell of a regular grid, times the volume of a cell.

    .. math:: \int_{[-r, r]^n} e^{-E(z)} \, dz \approx h^n \sum_i e^{-E(z_i)}, \qquad h = 2r / \text{points}

    What lies beyond the range does not count. Nonnegative units range from 0. Variables of few values beside them are tried at
    each of their values. The error falls with the square of h, and much faster where the energy is smooth and high at the border.

    Needs:    real and nonnegative variables of at most 3 units together; nothing of the terms.
    Shapes:   values (points ** units, units). Memory is bounded by trying some values at a time, except while learning.
    Source:   Davis & Rabinowitz, Methods of Numerical Integration, section 2.1: the midpoint rule.
    """

    type: Literal["grid"] = "grid"
    range: Positive = Field(default=3.0, description="how far the grid reaches from 0 on each axis")
    points: Count = Field(default=128, description="points on each axis")

    needs: ClassVar[frozenset[str]] = frozenset()
    uses: ClassVar[frozenset[str]] = frozenset()
    domains: ClassVar[frozenset[str]] = frozenset({"real", "nonnegative", "mixed"})

    @classmethod
    def too_large(cls, structure: Structure) -> str:
        """``structure``: of the continuous variables alone."""
        return f"at most {MOST_UNITS} units; there are {structure.size}" if structure.size > MOST_UNITS else ""

    def values(self, tried: Sequence[tuple[str, int]], like: Tensor, width: int) -> Choices:
        axes = {domain: self._axis(domain, like) for domain, _ in tried if domain in domains.CONTINUOUS}
        volume = sum(units * log(self._cell(domain)) for domain, units in tried if domain in domains.CONTINUOUS)
        return replace(domains.choices(tried, like, width, axes), log_measure=volume)

    def count(self, tried: Sequence[tuple[str, int]]) -> int:
        return prod(domains.count(domain, units, self.points) for domain, units in tried)

    def _axis(self, domain: str, like: Tensor) -> Tensor:
        lowest = 0.0 if domain == "nonnegative" else -self.range
        middle = torch.arange(self.points, dtype=like.dtype, device=like.device) + 0.5
        return lowest + self._cell(domain) * middle

    def _cell(self, domain: str) -> float:
        return (1 if domain == "nonnegative" else 2) * self.range / self.points
