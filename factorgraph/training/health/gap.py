"""How far from the minimum the worst code is."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from factorgraph.inference.solvers._kinds import Iterative
from factorgraph.spec.constants import NonNegative
from factorgraph.training.health._base import HealthLeaf, Shown, Step, more_steps

if TYPE_CHECKING:
    from factorgraph.training.sides import Stretch


class Gap(HealthLeaf):
    r"""A code far above the minimum teaches the parameters something that is not so.

    .. math:: \max_Y c(Y)

    Of a procedure that searches step by step: the largest certificate of any sample. A certificate is the relative duality gap,
    an upper bound of how far the energy is above its minimum, or where there is none the relative length of one more step.

    Healthy:  at most 0.1.
    Remedy:   more ``steps`` of the procedure, or a better ``start``.
    Source:   Kim, Koh, Lustig, Boyd & Gorinevsky, IEEE J. Sel. Topics Signal Process. 1(4), 2007, section III.
    """

    type: Literal["gap"] = "gap"
    title: ClassVar[str] = "largest gap to the minimum"
    joins: ClassVar[Literal["sum", "largest"]] = "largest"
    at_most: NonNegative = Field(default=0.1, description="the largest certificate")

    def see(self, step: Step) -> Shown:
        return {
            key: found.certificate.amax()
            for key, found in step.batch.found.items()
            if found.certificate is not None and isinstance(step.batch.view.inferences[key].solver, Iterative)
        }

    def values(self, shown: Shown, stretch: Stretch) -> Shown:
        return shown

    def sentence(self, subject: str, value: float, first: float, stretch: Stretch) -> str:
        return f"a code of {subject} has a gap of {value:.2g} to the minimum: {more_steps(subject, stretch)}"
