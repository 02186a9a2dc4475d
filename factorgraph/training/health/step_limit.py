"""Searches that run out of steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from factorgraph.inference.problem import CONVERGED
from factorgraph.inference.solvers._kinds import Iterative
from factorgraph.lazy import torch
from factorgraph.spec.constants import Share
from factorgraph.training.health._base import HealthLeaf, Shown, Step, more_steps

if TYPE_CHECKING:
    from factorgraph.training.sides import Stretch


class StepLimit(HealthLeaf):
    r"""Learning takes the code for the minimum; where the search ran out of steps it was not.

    .. math:: \frac{1}{N} \sum_Y [\, \text{the search for } Y \text{ ended at its step limit} \,]

    Of a procedure that searches step by step: the share of samples that did not reach its tolerance.

    Healthy:  at most half of the samples.
    Remedy:   more ``steps`` of the procedure, or a better ``start``; a larger ``tolerance`` if the gap is small enough.
    Source:   Beck & Teboulle, SIAM J. Imaging Sci. 2(1), 2009, on how the error falls with steps.
    """

    type: Literal["step_limit"] = "step_limit"
    title: ClassVar[str] = "share of samples at the step limit"
    at_most: Share = Field(default=0.5, description="the share of samples that may end at the step limit")

    def see(self, step: Step) -> Shown:
        shown = {}
        for key, found in step.batch.found.items():
            if found.status is not None and isinstance(step.batch.view.inferences[key].solver, Iterative):
                late = (found.status != CONVERGED).float()
                shown[key] = torch.stack([late.sum(), torch.ones_like(late).sum()])
        return shown

    def values(self, shown: Shown, stretch: Stretch) -> Shown:
        return {key: each[0] / each[1] for key, each in shown.items()}

    def sentence(self, subject: str, value: float, first: float, stretch: Stretch) -> str:
        return f"{100 * value:.0f} % of the samples end at the step limit of {subject}: {more_steps(subject, stretch)}"
