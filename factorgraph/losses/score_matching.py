"""An energy that is flat at the data, and curved around them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field, model_validator

from factorgraph.lazy import torch
from factorgraph.losses._loss import LossLeaf, Need
from factorgraph.spec.constants import Positive

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.training.objective import Batch

    Points = Mapping[str, Tensor]  # by variable, (rows, *shape) each


class ScoreMatching(LossLeaf):
    r"""Makes the energy flat at the data and curved around them, so that they lie at the bottom of valleys.

    .. math:: \frac{1}{n} \sum_Y \tfrac12 \lVert \nabla F \rVert^2 - \operatorname{tr} \nabla^2 F, \qquad
              \tfrac12 \lVert \nabla F \rVert^2 - v' \nabla^2 F \, v, \qquad
              \tfrac12 \lVert \sigma \nabla F(Y + \sigma n) - n \rVert^2

    *exact*, *sliced* and *denoising*, in this order. Minus the slope of the energy is the score, that of the log density, in
    which the partition function is lost. Sliced puts a direction v of random signs, one for each row and step, in the place of
    the trace; denoising teaches the slope to point away from data that normal noise n has moved.

    Promises: no partition function and no samples; with enough data the true parameters, where the model holds them. Sliced is
              exact on average. Denoising finds the density of the data with the noise on them, and needs no second derivatives by
              the data. How much data each of several valleys holds has no part in it. Where data lie on a thin line, exact and
              sliced fall without end: put noise on the data.
    Needs:    a real observed variable, in which the energy has a gradient; exact and sliced: one without corners, as of softplus,
              not of relu. Codes by a formula, summed out, or by an argmin with ``gradient: implicit``.
    Shapes:   F (batch,), derivatives (batch, units) -> a number, averaged over the batch. Exact evaluates the energy at units
              times as many rows.
    Units:    sigma has that of the data; without it the loss has the inverse of its square. F is beta times the free energy.
    Source:   Hyvarinen, JMLR 6, 2005, theorem 1; Song, Garg, Shi & Ermon, UAI 2019 (arXiv:1905.07088), with reduced variance;
              Vincent, Neural Computation 23(7), 2011, equation 9.
    """

    type: Literal["score_matching"] = "score_matching"
    estimator: Literal["exact", "sliced", "denoising"] = Field(
        default="exact", description="all directions, a random one, or noise in the place of second derivatives"
    )
    sigma: Positive = Field(default=0.1, description="of denoising: the deviation of the noise")

    strategy: ClassVar[str] = "CURVATURE"
    anchored: ClassVar[bool] = False

    @model_validator(mode="after")
    def _sigma_of_denoising(self) -> Self:
        if self.estimator != "denoising" and self.sigma != type(self).model_fields["sigma"].default:
            raise ValueError("sigma belongs to the estimator denoising: leave it out, or write estimator: denoising")
        return self

    def needs(self) -> tuple[Need, ...]:
        return ("slope",) if self.estimator == "denoising" else ("curvature",)

    def value(self, batch: Batch) -> Tensor:
        batch.free_energy()  # the log tells of the energy at the data
        data = {key: batch.given[key] for key in batch.observed("real")}
        if self.estimator == "denoising":
            return self._denoising(batch, data)
        along = every_direction(data) if self.estimator == "exact" else {key: signs(batch, key) for key in data}
        slopes, bent = bends(batch, data, along)
        squares = sum((each[: batch.size].square().flatten(1).sum(1) for each in slopes.values()), batch.zero())
        return (squares / 2 - bent.reshape(-1, batch.size).sum(0)).mean()

    def _denoising(self, batch: Batch, data: Points) -> Tensor:
        noise = {key: batch.normal(each, key) for key, each in data.items()}
        moved = {key: (each + self.sigma * noise[key]).requires_grad_() for key, each in data.items()}
        slopes = derivatives(batch.at(moved).potential(), moved)
        errors = ((self.sigma * slopes[key] - each).square().flatten(1).sum(1) / 2 for key, each in noise.items())
        return sum(errors, batch.zero()).mean()


def bends(batch: Batch, data: Points, along: Points) -> tuple[dict[str, Tensor], Tensor]:
    """The slopes of the energy at data, and how it is curved along directions, v' H v: (rows,).

    ``along``: (several * batch, *shape) each, which belong with the batch as in :meth:`Batch.at`.
    """
    points = {key: each.expand(len(along[key]) // len(each), *each.shape) for key, each in data.items()}
    points = {key: each.reshape(along[key].shape).clone().requires_grad_() for key, each in points.items()}
    slopes = derivatives(batch.at(points).potential(), points)
    steep = sum(((each * along[key]).sum() for key, each in slopes.items()), batch.zero())
    products = derivatives(steep, points)
    return slopes, sum(((each * along[key]).flatten(1).sum(1) for key, each in products.items()), batch.zero())


def derivatives(of: Tensor, points: Points) -> dict[str, Tensor]:
    """The derivative of the sum of (rows,) by each point; zeros where there is none. It has derivatives itself."""
    if not of.requires_grad:
        return {key: torch.zeros_like(each) for key, each in points.items()}
    found = torch.autograd.grad(of.sum(), list(points.values()), create_graph=True, allow_unused=True, materialize_grads=True)
    return dict(zip(points, found, strict=True))


def every_direction(data: Points) -> dict[str, Tensor]:
    """Each unit of all variables together in its turn: (units * batch, *shape) each."""
    sizes = [each[0].numel() for each in data.values()]
    like = next(iter(data.values()))
    parts = torch.split(torch.eye(sum(sizes), dtype=like.dtype, device=like.device), sizes, 1)
    return {
        key: part[:, None].expand(-1, len(each), -1).reshape(-1, *each.shape[1:])
        for part, (key, each) in zip(parts, data.items(), strict=True)
    }


def signs(batch: Batch, key: str) -> Tensor:
    """(batch, *shape): 1 or -1, as chance has it."""
    found: Tensor = torch.where(batch.normal(batch.given[key], key) < 0, -1.0, 1.0).to(batch.given[key].dtype)
    return found
