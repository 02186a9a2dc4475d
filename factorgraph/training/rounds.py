"""A round: one step of one side on one batch, all of which happens on the device."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from factorgraph.training.health._base import Step
from factorgraph.training.objective import evaluate
from factorgraph.training.replay import Made, Replay
from factorgraph.training.watch import seen

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.compile.learning import Learning
    from factorgraph.compile.model import Model
    from factorgraph.graph.model import Id
    from factorgraph.training.dependent import Dependent
    from factorgraph.training.keeping import Codes
    from factorgraph.training.memory import Memory
    from factorgraph.training.sides import Side, Stretch
    from factorgraph.training.tuning import Tuning


Precision = Callable[[], AbstractContextManager[Any]]


@dataclass(frozen=True)
class Drawn:
    """The batch of a step, on the device."""

    values: Mapping[str, Tensor]
    present: Mapping[str, Tensor]
    codes: Codes  # what is kept of these rows
    index: Any  # which training rows these are, an array
    unmeasured: frozenset[str]  # the factors that touch what no row has


class Rounds:
    """Takes them. ``precision``: in what they are evaluated."""

    def __init__(self, model: Model, memory: Memory, dependent: Dependent, device: str, precision: Precision):
        self.model, self.memory, self.dependent, self.device, self.precision = model, memory, dependent, device, precision
        self.tuning: Tuning | None = None
        self.replays: dict[str, Replay] = {}  # by player

    def take(self, stretch: Stretch, side: Side, given: Mapping[Id, Tensor], drawn: Drawn, begun: Learning, at: int) -> Made:
        """A round on ``given``, at a step of the phase: its numbers, and what measures of health saw."""
        moment = stretch.moment(at)
        known = {key: each for key, each in drawn.codes.found.items() if key in side.plan.procedures}

        taken = begun

        def step(given: Mapping[Id, Tensor]) -> Made:
            nonlocal taken
            taken = learning = begun.afresh()  # one that is recorded in vain is taken once more
            with self.precision():
                outcome = evaluate(stretch, side, given, learning, drawn.present, known)
            self.memory.keep(drawn.index, outcome.batch.found)
            if side.names:
                if side.learn(outcome, moment):
                    self.model.project(stretch.view.graph, stretch.view.inferences, side.owners)  # others stay to the bit
                self.dependent.count(stretch.id, learning.dependent)
                self.model.keep({owner: each for owner, each in learning.kept.items() if owner in side.owners | stretch.free})
            shown = seen(stretch, Step(outcome.batch, side.plan.player, outcome.loss, outcome.counts))
            if self.tuning is not None:
                self.tuning.follow(outcome.batch)
            return outcome.numbers, shown

        side.pace.at(moment.progress)
        beside = bool(known or drawn.present or self.memory.codes)  # the step reads more than what is given
        return self._replay(side)(given, step, lambda: beside or taken.drew or bool(taken.dependent))

    def _replay(self, side: Side) -> Replay:
        """How the steps of a side are launched."""
        known = self.replays.get(side.plan.player)
        if known is None or known.side is not side:
            known = self.replays[side.plan.player] = Replay(side, self.device)
        return known
