"""How well a critic tells samples from data."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.errors import RunError, issue
from factorgraph.lazy import torch
from factorgraph.metrics._base import Kind, MetricLeaf

if TYPE_CHECKING:
    from factorgraph.run.measured import Measured


class Discrimination(MetricLeaf):
    r"""The share of right answers of a game's critic, on held-out samples and as many that the other player makes.

    .. math:: \tfrac12 P\bigl(F(Y) < 0\bigr) + \tfrac12 P\bigl(F(\tilde Y) > 0\bigr)

    Minus the energy is the logit of being real, so a sample below 0 is taken for data; at 0 half an answer is right. 0.5 is a
    critic that is blind, or samples that are the data; 1 one that is never wrong. Of several slots the mean. What is made of
    noise is drawn from the seed.

    Errors: a phase without a critic, or one whose loss is a hinge: it has no energy at which it changes its mind (FG635).
    Source: Goodfellow et al., NeurIPS 2014, section 3.
    """

    type: Literal["discrimination"] = "discrimination"

    arguments: ClassVar[tuple[Kind, ...]] = ("phase",)

    def measure(self, on: Measured, phase: str) -> float:
        judged = on.judged(phase)
        if not judged:
            text = f"phase {phase!r} has no loss that tells data from what stands in for them"
            raise RunError(issue("FG635", text, fix="name a phase with the loss adversarial"))
        if any(loss.ceiling() is not None for loss, _, _ in judged):
            text = f"the critic of phase {phase!r} pushes energies up to a margin, and takes none of them as a boundary"
            raise RunError(issue("FG635", text, fix="ask for auc(), or make the loss logistic"))
        answers = [0.5 - torch.sign(each).double() / 2 for _, real, fake in judged for each in (real, -fake)]
        return float(torch.stack([each.mean() for each in answers]).mean())
