"""A learning rate that falls in steps."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from factorgraph.spec.constants import Positive, Share
from factorgraph.structure import Schedule


class Step(Schedule):
    r"""The learning rate is multiplied once more at each of some shares of the phase.

    .. math:: f(p) = \mathrm{factor}^{|\{a \in \mathrm{at} : a \le p\}|}
    """

    type: Literal["step"] = "step"
    at: tuple[Share, ...] = Field(description="the shares of the phase at which it falls")
    by: Positive = Field(default=0.1, alias="factor", description="what the learning rate is multiplied by")

    def factor(self, progress: float) -> float:
        return self.by ** sum(each <= progress for each in self.at)
