"""The constant that stands for a partition function."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.errors import RunError, issue
from factorgraph.metrics._base import Kind, MetricLeaf

if TYPE_CHECKING:
    from factorgraph.run.measured import Measured


class Constant(MetricLeaf):
    r"""The constant that the loss of a phase learns beside the energy, as noise_contrastive does.

    .. math:: c \approx -\log \sum_Y e^{-F(Y)}

    Units: nats, those of the energy.
    Errors: a phase whose loss learns none, or several (FG635).
    """

    type: Literal["constant"] = "constant"

    arguments: ClassVar[tuple[Kind, ...]] = ("phase",)

    def measure(self, on: Measured, phase: str) -> float:
        about = tuple(f"learning.{phase}{end}" for end in (".", "["))
        found = [own["constant"] for owner, own in on.model.tensors().items() if owner.startswith(about) and "constant" in own]
        if len(found) != 1:
            text = f"{len(found) or 'no'} losses of phase {phase!r} learn a constant, and one is asked for"
            raise RunError(issue("FG635", text, fix="name a phase of noise_contrastive, at one slot if it has an index"))
        return found[0].item()
