"""Players that leave each other nothing to learn from."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from factorgraph.lazy import torch
from factorgraph.spec.constants import NonNegative
from factorgraph.training.health._base import HealthLeaf, Shown, Step

if TYPE_CHECKING:
    from factorgraph.training.sides import Stretch

GAME = "players"  # the one subject


class Dominance(HealthLeaf):
    r"""A player that has won tells the other one nothing: its loss is next to zero, the other's is large.

    .. math:: \max_p |\bar L_p| \,/\, \min_p |\bar L_p|

    Of a phase with players: how many times larger the largest of their mean losses is than the smallest, by magnitude.

    Healthy:  at most 100 times.
    Remedy:   a smaller ``learning_rate`` for the player with the small loss, or more ``steps`` a round for the other.
    Source:   Goodfellow et al., NeurIPS 2014, section 3, on keeping the two sides in step.
    """

    type: Literal["dominance"] = "dominance"
    of_players: ClassVar[bool] = True
    title: ClassVar[str] = "largest loss over the smallest"
    at_most: NonNegative = Field(default=100.0, description="the largest loss over the smallest")

    def see(self, step: Step) -> Shown:
        loss = step.loss.detach()
        return {step.player: torch.stack([loss, torch.ones_like(loss)])}

    def values(self, shown: Shown, stretch: Stretch) -> Shown:
        if len(shown) < 2:
            return {}
        losses = torch.stack([each[0] / each[1] for each in shown.values()]).abs()
        return {GAME: losses.amax() / losses.amin().clamp_min(torch.finfo(losses.dtype).tiny)}

    def sentence(self, subject: str, value: float, first: float, stretch: Stretch) -> str:
        fix = "a smaller learning_rate for the winner, or more steps for the other"
        return f"one player's loss is {value:.3g} times the other's: {fix}"
