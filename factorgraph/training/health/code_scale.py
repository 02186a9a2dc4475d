"""How large codes are."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from factorgraph.lazy import torch
from factorgraph.spec.constants import NonNegative
from factorgraph.training.health._base import HealthLeaf, Shown, Step, codes

if TYPE_CHECKING:
    from factorgraph.training.sides import Stretch


class CodeScale(HealthLeaf):
    r"""Codes that shrink while columns grow escape a price on magnitudes; codes that grow without end diverge.

    .. math:: \frac{1}{N} \sum_Y \lVert Z(Y) \rVert_2

    Of a latent variable, unless it is a choice: the mean length of its codes. It is judged by how many times larger or smaller it
    is than at the first look of the phase.

    Healthy:  within a factor of 10 either way.
    Remedy:   a bound on what reads the code: ``unit_norm: columns`` or ``max_column_norm`` of the decoder.
    Source:   Olshausen & Field, Vision Research 37(23), 1997, on the lengths of basis functions.
    """

    type: Literal["code_scale"] = "code_scale"
    title: ClassVar[str] = "mean length of codes"
    of_change: ClassVar[bool] = True
    at_most: NonNegative = Field(default=10.0, description="how many times larger or smaller than at the first look")

    def see(self, step: Step) -> Shown:
        variables = step.batch.view.graph.variables
        lengths = {key: code.flatten(1).norm(dim=1) for key, code in codes(step.batch) if variables[key].domain != "one_hot"}
        return {key: torch.stack([each.sum(), torch.ones_like(each).sum()]) for key, each in lengths.items()}

    def values(self, shown: Shown, stretch: Stretch) -> Shown:
        return {key: each[0] / each[1] for key, each in shown.items()}

    def sentence(self, subject: str, value: float, first: float, stretch: Stretch) -> str:
        change = f"grew {value / first:.3g} times" if value > first else f"shrank to {value / first:.2g} of what they were"
        return f"codes of {subject} {change}: unit_norm: columns, or max_column_norm, on the function that reads them"
