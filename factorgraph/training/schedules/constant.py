"""A learning rate that stays."""

from __future__ import annotations

from typing import Literal

from factorgraph.structure import Schedule


class Constant(Schedule):
    r"""The learning rate stays what it is.

    .. math:: f(p) = 1
    """

    type: Literal["constant"] = "constant"

    def factor(self, progress: float) -> float:
        return 1.0
