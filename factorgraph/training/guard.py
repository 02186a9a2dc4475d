"""What ends a run whose numbers are none any more, or run away."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from factorgraph.compile.model import Model
from factorgraph.errors import RunError, issue
from factorgraph.losses._loss import LossLeaf
from factorgraph.run.folder import RunFolder
from factorgraph.training.objective import LOSS
from factorgraph.training.sides import Side

RUNAWAY = 1e4  # an energy so many times that of the phase's first steps is no learning
SMALLEST = 1e-6  # an energy that it may begin at without running away from there at once
USUAL_LOSS = 1.0  # the same of a loss that is no energy: such are sums of nats, or of squares of what is about 1
USUAL_RATE = 1e-3  # of adam, where a far larger one was given


class Guard:
    """Looks at the numbers of each step once they are read. Its state is what each side began at."""

    def __init__(self, folder: RunFolder, model: Model):
        self.folder, self.model = folder, model
        self.first: dict[tuple[str, str], float] = {}

    def check(self, row: Mapping[str, Any], named: Mapping[str, float], sides: Iterable[Side]) -> None:
        """Raise RunError FG670 where a number is none, FG671 where one runs away."""
        step = row["step"]
        shares = {key: named[key] for key in self.model.graph.factors if key in named}
        bad = next((key for key, value in shares.items() if not math.isfinite(value)), None)
        if bad is not None or not math.isfinite(named[LOSS]):
            what = f'the energy is not a number: factor "{bad}"' if bad is not None else "the loss is not a number"
            raise self._given_up("FG670", what, row["phase"], step, bad)
        side = next(each for each in sides if each.plan.player == row["player"])
        if is_anchored(side):
            self._check_energy(row, shares, named[LOSS])
        else:
            self._check_loss(row, named[LOSS])

    def _check_energy(self, row: Mapping[str, Any], shares: Mapping[str, float], loss: float) -> None:
        energy = max(sum(abs(value) for value in shares.values()), abs(loss))
        first = self.first.setdefault((row["phase"], row["player"]), energy)
        if energy > RUNAWAY * max(first, SMALLEST):
            worst, share = max(shares.items(), key=lambda each: abs(each[1]), default=("", 0.0))
            seen = abs(share) > abs(loss) / max(len(shares), 1) / 2  # else the loss is of another kind than the energy
            culprit = f'factor "{worst}" is at {share:.3g}' if seen else f"the loss is at {loss:.3g}"
            what = f"the energy runs away: {culprit}, all began at {first:.3g}"
            raise self._given_up("FG671", what, row["phase"], row["step"], worst if seen else None)

    def _check_loss(self, row: Mapping[str, Any], loss: float) -> None:
        """It may fall without end, and energies may go anywhere; only to rise is no learning."""
        first = self.first.setdefault((row["phase"], row["player"]), loss)
        if loss > RUNAWAY * max(first, USUAL_LOSS):
            what = f"the loss runs away: it is at {loss:.3g}, and began at {first:.3g}"
            raise self._given_up("FG671", what, row["phase"], row["step"], None)

    def _given_up(self, code: str, what: str, phase: str, step: int, factor: str | None) -> RunError:
        kept = self.folder.load_latest()
        path = ("factors", self.model.graph.factors[factor].name) if factor else ("learning", phase.split("[", maxsplit=1)[0])
        spelled = phase.split("[", maxsplit=1)[0]
        rate = self.model.spec.learning[spelled].first.learning_rate
        notes = (f'in phase "{phase}", at step {step}', f"the last good checkpoint is {kept.path} (step {kept.step})")
        fix = f"a smaller learning.{spelled}.learning_rate (now {rate:g}): try {min(rate / 10, USUAL_RATE):g}"
        found = issue(code, what, path, notes=notes, fix=fix)
        return RunError(self.model.spec.document.locate(found))

    def state(self) -> list[tuple[str, str, float]]:
        """For JSON."""
        return [(phase, player, value) for (phase, player), value in self.first.items()]

    def restore(self, state: Iterable[tuple[str, str, float]]) -> None:
        """Put back what :meth:`state` took."""
        self.first = {(phase, player): value for phase, player, value in state}


def is_anchored(side: Side) -> bool:
    """Whether the energy and the loss of a side stay where they begin, or go down from there."""
    terms = side.player.loss.values()
    return all(term.loss.anchored for term in terms if isinstance(term.loss, LossLeaf))
