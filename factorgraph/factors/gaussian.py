"""The energy of a Gaussian, with its normaliser."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, model_validator

from factorgraph.factors._sums import flat
from factorgraph.factors.functions._spectrum import norm_bound
from factorgraph.lazy import torch
from factorgraph.spec.constants import NonNegative
from factorgraph.spec.expressions import Expression
from factorgraph.structure import (
    Differentiable,
    Dispersed,
    Estimated,
    Factor,
    Glyph,
    Normalised,
    Parameter,
    Parameters,
    Promise,
    Quadratic,
    Shape,
    ShapeError,
    Square,
)

if TYPE_CHECKING:
    from torch import Tensor


class Gaussian(Factor, Square, Normalised, Dispersed):
    r"""Says that one value is another plus Gaussian noise, or Gaussian noise itself, whose precision may be learned.

    .. math:: E(a, b) = \tfrac12 (a - b)' L (a - b) - \tfrac12 \log \det L + \tfrac{n}{2} \log 2 \pi

    ``of`` is compared with 0. With ``by`` every choice has a precision L of its own, and E is the sum of what they say, weighted
    by the units of ``by``: of a one-hot value, what the chosen one says.

    L is positive for any value of the parameters. *scalar* and *diagonal* learn c, with variances exp(-c) + floor. *full* learns
    a lower triangle C, its diagonal by the logarithm, with the covariance C C' + floor times 1: no direction has a variance
    below the floor.

    Promises: quadratic and convex in a and b while ``by``, known to be a choice, stands still: another Hessian for each sample;
              a square where the precision is unit, or scalar without ``by``. Differentiable in all. Normalised in a.
              Estimated: the covariance is that of the differences, its eigenvalues at least the floor.
    Shapes:   a, b (batch, *shape) -> energy (batch,), n units. log_precision () or (n); factor (n, n); by (batch, *choices) puts
              the number of choices before each. All start at a precision of 1, before the floor.
    Units:    nats; L in the inverse square of the arguments' unit.
    Errors:   both or neither of between and of; by or a floor without a learned precision; by a number.
    Source:   Rubin & Thayer, Psychometrika 47(1), 1982, for factor analysis; Dempster, Laird & Rubin 1977 for mixtures.
    """

    examples: ClassVar[tuple[Mapping[str, Any], ...]] = (
        {"of": "A"},
        {"between": ("A", "B")},
        *({"of": "A", "precision": each} for each in ("scalar", "diagonal", "full")),
        *({"between": ("A", "B"), "precision": each, "floor": 0.37} for each in ("scalar", "diagonal", "full")),
        *({"between": ("A", "B"), "precision": each, "by": "C"} for each in ("scalar", "diagonal", "full")),
        {"of": "A", "precision": "full", "by": "C", "floor": 0.37},
    )

    type: Literal["gaussian"] = "gaussian"
    between: tuple[Expression, Expression] | None = Field(None, description="the two values that are compared")
    of: Expression | None = Field(None, description="instead of between: the value that is compared with 0")
    by: Expression | None = Field(None, description="a one-hot value, each choice of which has a precision of its own")
    precision: Literal["unit", "scalar", "diagonal", "full"] = Field(
        "unit", description="the inverse of the covariance: 1, or learned: one number, one for each unit, a matrix"
    )
    floor: NonNegative = Field(0.0, description="below which no learned variance falls")

    convex: ClassVar[bool] = True
    additive: ClassVar[bool] = False
    glyph: ClassVar[Glyph] = Glyph(label="−log N")

    @model_validator(mode="after")
    def _one_comparison(self) -> Gaussian:
        if self.between is None and self.of is None:
            raise ValueError("needs between, the two values that it compares, or of, the one that it compares with 0")
        if self.between is not None and self.of is not None:
            raise ValueError("between and of exclude each other: keep one of them")
        if self.precision == "unit" and (self.by is not None or self.floor > 0):
            raise ValueError("by and floor need a precision that is learned, and it is unit: make it scalar, diagonal or full")
        return self

    # --- what it promises ------------------------------------------------------------------------------------------------------

    def keeps(self, promise: Promise, moving: frozenset[int]) -> bool:
        if promise is Square:
            return self.by is None and self.precision in ("unit", "scalar")
        if promise in (Estimated, Dispersed):
            return self.precision != "unit"
        return promise is Normalised or issubclass(Quadratic if self.is_convex(moving) else Differentiable, promise)

    def is_convex(self, moving: frozenset[int]) -> bool:
        return self.by is None or len(self.arguments()) - 1 not in moving

    def varies(self, moving: frozenset[int]) -> bool:
        return self.by is not None and self.is_convex(moving)

    def domain(self, position: int) -> str:
        return "one_hot" if self.by is not None and position == len(self.arguments()) - 1 else "real"

    # --- what it learns --------------------------------------------------------------------------------------------------------

    def check(self, *shapes: Shape) -> None:
        super().check(*(shapes if self.by is None else shapes[:-1]))
        if self.by is not None and shapes[-1] == ():
            raise ShapeError("picks a precision by a number, which is no one-hot value")

    def parameters(self, *shapes: Shape) -> dict[str, Parameter]:
        choices: Shape = () if self.by is None else (math.prod(shapes[-1]),)
        units = max(math.prod(shape) for shape in (shapes if self.by is None else shapes[:-1]))
        if self.precision == "full":
            return {"factor": Parameter((*choices, units, units), "constant", 0.0)}
        if self.precision == "unit":
            return {}
        return {"log_precision": Parameter((*choices, units) if self.precision == "diagonal" else choices, "constant", 0.0)}

    # --- energy ----------------------------------------------------------------------------------------------------------------

    def energy(self, *arguments: Any) -> Tensor:
        values, parameters = (arguments, {}) if self.precision == "unit" else (arguments[:-1], arguments[-1])
        difference = self.difference(*values)
        square, log_det = self._terms(difference, parameters)
        energy: Tensor = (square - log_det + difference.shape[1] * math.log(2 * math.pi)) / 2
        if self.by is None:
            return energy
        return (energy * flat(values[-1])).sum(1)

    def difference(self, *arguments: Tensor) -> Tensor:
        return flat(arguments[0] if self.between is None else arguments[0] - arguments[1])

    def _terms(self, difference: Tensor, parameters: Parameters) -> tuple[Tensor, Tensor]:
        """d' L d, (batch,) or (batch, choices), and log det L, () or (choices,)."""
        if self.precision == "full":
            triangle = self._triangle(parameters)
            white = torch.linalg.solve_triangular(triangle, difference.t(), upper=False)  # (units, batch), for each choice
            return white.square().sum(-2).movedim(0, -1), -2 * triangle.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        squares = difference.square()
        if self.precision == "unit":
            return squares.sum(1), squares.new_zeros(())
        logarithm = self._log_precision(parameters)
        if self.precision == "scalar":
            logarithm = logarithm.unsqueeze(-1).expand(*logarithm.shape, squares.shape[1])
        return squares @ logarithm.exp().t(), logarithm.sum(-1)

    def _log_precision(self, parameters: Parameters) -> Tensor:
        free = parameters["log_precision"]
        if self.floor == 0:
            return free
        return -torch.logaddexp(-free, torch.full_like(free, math.log(self.floor)))

    def _triangle(self, parameters: Parameters) -> Tensor:
        """The lower triangle K with the covariance K K', (..., n, n)."""
        factor = parameters["factor"]
        triangle: Tensor = factor.tril(-1) + factor.diagonal(dim1=-2, dim2=-1).exp().diag_embed()
        if self.floor == 0:
            return triangle
        least = self.floor * torch.eye(factor.shape[-1], dtype=factor.dtype, device=factor.device)
        triangle, _ = torch.linalg.cholesky_ex(triangle @ triangle.mT + least)  # unlike cholesky it does not wait for the device
        return triangle

    def curvature(self, parameters: Parameters) -> Tensor | float:
        if self.precision == "unit":
            return 1.0
        if self.precision == "full":
            return self._steepest(parameters)
        largest: Tensor = self._log_precision(parameters).detach().exp().amax()
        return largest

    def _steepest(self, parameters: Parameters) -> Tensor:
        """A bound of the largest eigenvalue of any choice's L."""
        triangle = self._triangle(parameters).detach().reshape(-1, *parameters["factor"].shape[-2:])
        one = torch.eye(triangle.shape[-1], dtype=triangle.dtype, device=triangle.device).expand_as(triangle)
        whitener = torch.linalg.solve_triangular(triangle, one, upper=False)
        return torch.stack([norm_bound(each) for each in whitener]).amax().square()

    # --- estimate --------------------------------------------------------------------------------------------------------------

    def statistics(self, *arguments: Tensor, weight: Tensor) -> dict[str, Tensor]:
        """``rows`` (*choices,), by weight; ``squares`` (*choices, n), of a full precision ``products`` (*choices, n, n)."""
        each = self.difference(*arguments).double()
        chosen = weight.double()[:, None] * (1 if self.by is None else flat(arguments[-1]).double())  # (rows, choices or 1)
        if self.precision == "full":
            found = {"rows": chosen.sum(0), "products": torch.einsum("rk,ri,rj->kij", chosen, each, each)}
        else:
            found = {"rows": chosen.sum(0), "squares": chosen.mT @ each.square()}
        return found if self.by is not None else {key: total[0] for key, total in found.items()}

    def estimate(self, sums: Mapping[str, Tensor], parameters: Parameters, explained: Tensor | float = 0.0) -> dict[str, Tensor]:
        rows = sums["rows"].clamp_min(torch.finfo(torch.float64).tiny)
        if self.precision == "full":
            before = parameters["factor"]
            found = self._factor((sums["products"] - explained) / rows[..., None, None], torch.finfo(before.dtype))
            return {"factor": torch.where(sums["rows"][..., None, None] == 0, before, found.to(before.dtype))}
        before = parameters["log_precision"]
        squares = sums["squares"] - (explained if isinstance(explained, float) else explained.diagonal(dim1=-2, dim2=-1))
        variances, told = squares / rows[..., None], sums["rows"][..., None]
        if self.precision == "scalar":
            variances, told = variances.mean(-1), sums["rows"]
        free = -self._above_floor(variances, variances, torch.finfo(before.dtype)).log()
        return {"log_precision": torch.where(told == 0, before, free.to(before.dtype))}

    def _factor(self, covariance: Tensor, kind: torch.finfo) -> Tensor:
        """(..., n, n): the parameter whose covariance this is, but for the floor: the nearest in likelihood above it."""
        finite = covariance.isfinite().all()
        values, vectors = torch.linalg.eigh(torch.where(finite, covariance, 0))  # LAPACK refuses what is no number
        free = self._above_floor(values, values.amax(-1, keepdim=True), kind)
        triangle, _ = torch.linalg.cholesky_ex((vectors * free[..., None, :]) @ vectors.mT)
        logarithms = triangle.diagonal(dim1=-2, dim2=-1).log().diag_embed()
        return torch.where(finite, triangle.tril(-1) + logarithms, torch.nan)

    def _above_floor(self, variances: Tensor, largest: Tensor, kind: torch.finfo) -> Tensor:
        """What parameters add to the floor; never 0, whose logarithm is no number."""
        return torch.maximum(variances - self.floor, kind.eps * largest.clamp_min(self.floor)).clamp_min(kind.tiny)
