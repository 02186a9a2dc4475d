"""The sum of magnitudes."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from factorgraph.factors._sums import per_example
from factorgraph.lazy import torch
from factorgraph.spec.expressions import Expression
from factorgraph.structure import Absolute, Factor, Glyph

if TYPE_CHECKING:
    from torch import Tensor


class L1(Factor, Absolute):
    r"""Pays for every active unit in proportion to its magnitude.

    .. math:: E(z) = \sum_i |z_i|, \qquad \operatorname{prox}_{tE}(v)_i = \operatorname{sign}(v_i)\max(|v_i| - t, 0)

    Promises: convex; absolute: a prox in closed form, and a duality gap beside quadratic terms. No gradient at 0, so gradient
              solvers refuse it.
    Shapes:   z (batch, *shape) -> energy (batch,), summed over *shape*, never averaged.
    Units:    energy per unit of |z|.
    Source:   Beck & Teboulle, SIAM J. Imaging Sci. 2(1), 2009, section 1.
    """

    type: Literal["l1"] = "l1"
    of: Expression = Field(description="the value whose units are to be few")

    convex: ClassVar[bool] = True
    glyph: ClassVar[Glyph] = Glyph(label="l1", formula="‖{0}‖₁")

    def energy(self, *arguments: Tensor) -> Tensor:
        (z,) = arguments
        return per_example(z.abs())

    def prox(self, v: Tensor, t: Tensor, *still: Tensor) -> Tensor:
        if torch.is_grad_enabled() and (v.requires_grad or t.requires_grad):
            return torch.relu(v - t) - torch.relu(-v - t)  # the same, and its gradient costs a third of that of a clamp
        return v - torch.clamp(v, -t, t)  # sign(v) max(|v| - t, 0) in fewer sweeps over memory
