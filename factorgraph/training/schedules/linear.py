"""A learning rate that runs out."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from factorgraph.spec.constants import Share
from factorgraph.structure import Schedule


class Linear(Schedule):
    r"""The learning rate goes to zero on a straight line that begins at a share of the phase.

    .. math:: f(p) = \min(1, (1 - p) / (1 - \mathrm{from}))
    """

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)

    type: Literal["linear"] = "linear"
    begin: Annotated[Share, Field(lt=1)] = Field(default=0.0, alias="from", description="the share before the descent")

    def factor(self, progress: float) -> float:
        return min(1.0, max(0.0, 1.0 - progress) / (1.0 - self.begin))
